import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import vercel from "../../vercel.json" with { type: "json" };
import { mintKey, newId } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import {
  buildFunction,
  deployedFiles,
  layOutCheckout,
  serveFunction,
  type BuiltFunction,
} from "./functions.ts";

const SIZE_MAX_BYTES = 12e6;
const work = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-vercel-"));
const checkout = path.join(work, "checkout");
const children: ChildProcess[] = [];
const built: Record<string, BuiltFunction> = {};
const urls: Record<string, string> = {};
const db = useDatabase();

beforeAll(async () => {
  await layOutCheckout(checkout);
  const env = {
    DATABASE_URL: db.url("app"),
    WORKER_DATABASE_URL: db.url("worker"),
    INNGEST_DEV: "http://127.0.0.1:9",
    LOG_LEVEL: "silent",
  };
  const figures: string[] = [];
  for (const name of ["index", "inngest"]) {
    const one = await buildFunction(checkout, `api/${name}.js`, path.join(work, name));
    const { url, importMs, child } = await serveFunction(one.handler, env);
    children.push(child);
    built[name] = one;
    urls[name] = url;
    figures.push(`api/${name}.js: ${(one.bytes / 1e6).toFixed(2)} MB unzipped, imported in ${importMs} ms`);
  }
  console.log(figures.join("\n"));
});
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  fs.rmSync(work, { recursive: true });
});

/** One request to a built function, with the path that the caller asked for. */
function call(name: "index" | "inngest", target: string, init?: RequestInit): Promise<Response> {
  return fetch(`${urls[name]}${target}`, { ...init, signal: AbortSignal.timeout(10_000) });
}

test("exactly two files become functions, each with a bound on its time", () => {
  expect(deployedFiles()).toEqual(["api/index.js", "api/inngest.js"]);
  expect(Object.keys(vercel.functions).sort()).toEqual(deployedFiles());
  for (const { maxDuration } of Object.values(vercel.functions)) expect(maxDuration).toBeLessThanOrEqual(60);
});

test.each([
  ["/api/inngest", "/api/inngest"],
  ["/api/health", "/api"],
  ["/api/audit/events/1/x", "/api"],
  ["/api/inngest/other", "/api"],
  ["/api/inngests", "/api"],
])("a request for %s reaches the function %s", (asked, reached) => {
  const rule = vercel.rewrites.find(({ source }) => new RegExp(`^${source}$`).test(asked));
  expect(rule?.destination).toBe(reached);
});

test("of the checkout only the folder public is published", () => {
  // Without an output directory Vercel serves every file of the checkout to everybody.
  expect(vercel.outputDirectory).toBe("public");
  expect(fs.readdirSync(path.resolve(import.meta.dirname, "../..", vercel.outputDirectory))).toEqual([
    "robots.txt",
  ]);
});

describe.each(["index", "inngest"])("the function api/%s.js", (name) => {
  test("is at most 12 MB unzipped", () => {
    expect(built[name]?.bytes).toBeGreaterThan(0);
    expect(built[name]?.bytes).toBeLessThanOrEqual(SIZE_MAX_BYTES);
  });

  test("needs no file but its bundle", () => {
    const files = built[name]?.files ?? [];
    expect(files).toEqual(expect.arrayContaining([`api/${name}.js`, `dist/${name}.js`, "package.json"]));
    const others = files.filter((file) => file !== `api/${name}.js` && file !== "package.json");
    expect(others.filter((file) => !/^dist\/[\w.-]+\.js$/.test(file))).toEqual([]);
  });
});

test("the built API says that it is alive and describes itself", async () => {
  expect((await call("index", "/api/health")).status).toBe(200);
  const document = (await (await call("index", "/api/openapi.json")).json()) as { paths: object };
  expect(Object.keys(document.paths)).toContain("/api/audit/log");
});

test("the built API refuses a request without a key with a problem", async () => {
  const response = await call("index", "/api/audit/events?workspaceId=ws-123");
  expect(response.status).toBe(401);
  expect(response.headers.get("content-type")).toContain("application/problem+json");
  expect(await response.json()).toMatchObject({ status: 401, code: "unauthenticated" });
});

test("the built API stores an event in Postgres and finds it again", async () => {
  const authorization = `Bearer ${await mintKey(db)}`;
  const workspaceId = newId("ws");
  const stored = await call("index", "/api/audit/log", {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({
      actionType: "TEST_EVENT",
      resourceType: "workspace",
      resourceId: workspaceId,
      workspaceId,
      createdByUserId: "user-123",
    }),
  });
  expect(stored.status).toBe(201);
  const { id } = (await stored.json()) as { id: string };
  const found = await call("index", `/api/audit/events?workspaceId=${workspaceId}`, {
    headers: { authorization },
  });
  expect(await found.json()).toMatchObject({ items: [{ id, actionType: "TEST_EVENT" }] });
});

test("the built workflow endpoint describes its workflows", async () => {
  const response = await call("inngest", "/api/inngest");
  expect(response.status).toBe(200);
  const { function_count: workflows } = (await response.json()) as { function_count: number };
  expect(workflows).toBeGreaterThan(0);
});
