import { build } from "esbuild";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import vm from "node:vm";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import type { AuditClient, AuditClientOptions, createAuditClient } from "../../client/index.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-client-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const GZIP_BYTES_MAX = 6_000;

async function bundled(format: "esm" | "iife"): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["client/index.ts"],
    bundle: true,
    minify: true,
    write: false,
    format,
    globalName: "afterimage",
  });
  return outputFiles[0]?.text ?? "";
}

test("npm pack gives the client alone, with its types, and Node runs it without anything beside it", async () => {
  const copy = path.join(folder, "repository");
  fs.mkdirSync(path.join(copy, "client"), { recursive: true });
  fs.copyFileSync(path.join(root, "tsconfig.json"), path.join(copy, "tsconfig.json"));
  for (const file of fs.readdirSync(path.join(root, "client"), { withFileTypes: true })) {
    if (file.isFile())
      fs.copyFileSync(path.join(root, "client", file.name), path.join(copy, "client", file.name));
  }
  const PATH = `${path.join(root, "node_modules/.bin")}${path.delimiter}${process.env.PATH}`;
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: path.join(copy, "client"),
    env: { ...process.env, PATH },
  });
  const json = stdout.slice(stdout.indexOf("["));
  const [{ filename, files }] = JSON.parse(json) as [{ filename: string; files: { path: string }[] }];
  const names = files.map((file) => file.path);
  expect(names.filter((name) => !name.startsWith("dist/"))).toEqual(["LICENSE", "README.md", "package.json"]);
  expect(names).toEqual(expect.arrayContaining(["dist/index.js", "dist/index.d.ts", "dist/with-actor.js"]));

  await run("tar", ["-xzf", filename], { cwd: folder });
  const modules = path.join(folder, "app/node_modules");
  fs.mkdirSync(modules, { recursive: true });
  fs.renameSync(path.join(folder, "package"), path.join(modules, "afterimage-client"));
  const app = `
    import { createAuditClient } from "afterimage-client";
    import { withActor } from "afterimage-client/with-actor";
    const audit = createAuditClient();
    await audit.createPlaceholderAuditTrail({ messageId: "m", model: "x", contextLayers: 1 });
    console.log(typeof withActor, (await audit.getAuditTrail("m")).status);`;
  fs.writeFileSync(path.join(folder, "app/app.mjs"), app);
  const result = await run(process.execPath, ["app.mjs"], { cwd: path.join(folder, "app") });
  expect(result.stdout).toBe("[Audit Trail] Using backend: memory\nfunction placeholder\n");
});

test("its README's lines run as they stand", async () => {
  const app = path.join(folder, "app");
  const readme = fs.readFileSync(path.join(app, "node_modules/afterimage-client/README.md"), "utf8");
  fs.writeFileSync(path.join(app, "readme.mjs"), /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "");
  const { stdout } = await run(process.execPath, ["readme.mjs"], { cwd: app });
  expect(stdout).toContain("status: 'complete'");
});

test("an app's compiler finds the types behind every import", async () => {
  const typed = `
    import { createAuditClient, type AuditClientOptions, type AuditTrail } from "afterimage-client";
    import { withActor, type Actor } from "afterimage-client/with-actor";
    const options: AuditClientOptions = { backend: "memory", onDropped: ({ mayBeStored }) => void mayBeStored };
    const audit = createAuditClient(options);
    export const trail: Promise<AuditTrail | null> = audit.getAuditTrail("m");
    export const actor: Actor = { userId: "u" };
    // @ts-expect-error A number is no message id: with types that are not found, all would be any.
    void audit.getAuditTrail(1);
    // @ts-expect-error
    const stored: string = audit.stats().stored;
    // @ts-expect-error
    void withActor({}, { userId: 1 });
    export default stored;`;
  const app = path.join(folder, "app");
  fs.writeFileSync(path.join(app, "app.mts"), typed);
  const tsc = path.join(root, "node_modules/typescript/bin/tsc");
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,dom", "--types", ""];
  for (const [module, resolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ] as const) {
    const args = [tsc, "app.mts", ...options, "--module", module, "--moduleResolution", resolution];
    await run(process.execPath, args, { cwd: app }).catch((error: { stdout: string }) => {
      throw new Error(error.stdout);
    });
  }
});

/** A client in a place that has nothing but the web's own functions, some of them replaced. */
async function clientOfTheWeb(replaced: object, options: AuditClientOptions): Promise<AuditClient> {
  const web = {
    AbortSignal,
    Request,
    URLSearchParams,
    crypto,
    performance,
    setTimeout,
    clearTimeout,
    console,
  };
  const context = vm.createContext({ ...web, ...replaced });
  vm.runInContext(await bundled("iife"), context);
  const make = (context.afterimage as { createAuditClient: typeof createAuditClient }).createAuditClient;
  return make({
    url: "https://audit.example",
    apiKey: "k",
    backend: "database",
    log: () => undefined,
    ...options,
  });
}

test("it runs where there is nothing but the web's own functions", async () => {
  const requests: string[] = [];
  const fetch = async (url: string, { method }: { method: string }) => {
    requests.push(`${method} ${url}`);
    return Response.json({ ids: ["1"] }, { status: 201 });
  };
  const client = await clientOfTheWeb({ fetch }, { mode: "buffered" });
  const event = {
    actionType: "a",
    resourceType: "r",
    resourceId: "1",
    workspaceId: "w",
    createdByUserId: "u",
  };
  await client.logAuditEvent(event);
  await client.close();
  expect(requests).toEqual(["POST https://audit.example/api/audit/log/batch"]);
});

test.each([
  ["nothing is kept by a framework that keeps answers", Request, "no-store"],
  ["a runtime whose requests know nothing of it is not asked to", { prototype: {} }, undefined],
])("%s", async (_, ItsRequest, cache) => {
  const inits: RequestInit[] = [];
  const fetch = async (_: string, init: RequestInit) => (
    inits.push(init),
    Response.json({ items: [], nextCursor: null })
  );
  const client = await clientOfTheWeb({ fetch, Request: ItsRequest }, {});
  await client.getAuditEvents("ws");
  expect(inits).toMatchObject([{ redirect: "manual" }]);
  expect(inits[0]?.cache).toBe(cache);
});

test("it is small", async () => {
  expect(gzipSync(await bundled("esm"), { level: 9 }).length).toBeLessThan(GZIP_BYTES_MAX);
});
