import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { useApi } from "../support/api.ts";
import { useApiServer } from "../support/api-server.ts";
import { bundleCli } from "../support/cli.ts";
import { startApp } from "./migration-app.ts";

const text = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/MIGRATION.md"), "utf8");
const api = useApi();
const server = useApiServer(api);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-migration-"));
const program = path.join(folder, "afterimage.mjs");
beforeAll(() => bundleCli(program));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** The blocks of a language below a week's heading, in order. */
function blocksOf(week: number, language: "bash" | "ts"): string[] {
  const section = text.split(`\n## Week ${week}`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^( *)```(\w+)\n([\s\S]*?)^ *```$/gm)]
    .filter(([, , found]) => found === language)
    .map(([, indent = "", , block = ""]) => block.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}

/** Runs a block as it stands, beside the files. */
async function run(block: string | undefined): Promise<{ code: number; stdout: string }> {
  const script = (block ?? "false").replaceAll("npx afterimage", `node ${program}`);
  const env = {
    ...process.env,
    DATABASE_URL: api.db.url("app"),
    WORKER_DATABASE_URL: api.db.url("worker"),
    MIGRATE_DATABASE_URL: api.db.url("admin"),
  };
  return promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], { cwd: folder, env }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout: `${stdout}\n${stderr}`,
    }),
  );
}

const filesOf = (ending: string) => fs.readdirSync(folder).filter((name) => name.endsWith(ending));

test("its commands move two instances, and lose nothing that they wrote until their end", async () => {
  const [client = "", ending = ""] = blocksOf(1, "ts");
  const start = (env: Record<string, string>) => startApp(folder, { client, ending }, { ...env });
  const settings = { AUDIT_TRAILS_FOLDER: folder };
  const old = [
    await start({ ...settings, AUDIT_TRAIL_BACKEND: "memory" }),
    await start({ ...settings, AUDIT_TRAIL_BACKEND: "memory" }),
  ];
  for (const [i, app] of old.entries()) {
    await (await app.chat("placeholder", `early-${i}`)).end("First.");
  }
  const open = await Promise.all(old.map((app, i) => app.chat("placeholder", `open-${i}`)));

  // Step 1, from a database, a key and a first copy.
  const [service, firstCopy, theRest, texts, corrected, events] = blocksOf(3, "bash");
  const made = await run(service);
  expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining("Nothing to do") });
  const [, apiKey = ""] = /\n {2}(\S+)\n\nKeep it now/.exec(made.stdout) ?? [];
  for (const app of old) await app.get("copy");
  expect((await run(firstCopy)).stdout.match(/2 lines: 2 trails stored/g)).toHaveLength(2);
  expect(filesOf(".ndjson")).toEqual([]);

  // Step 2: the old instances write on until they end.
  const service2 = { ...settings, AUDIT_URL: server.url, AUDIT_API_KEY: apiKey };
  const dual = await start({ ...service2, AUDIT_TRAIL_BACKEND: "dual" });
  expect(JSON.parse(await dual.get("trail/early-0"))).toMatchObject({ reasoning: ["First."] });
  for (const [i, app] of old.entries()) {
    await (await app.chat("placeholder", `between-${i}`)).end("Between.");
    await (await app.chat("update", `early-${i}`)).end("Changed.");
  }
  await (await dual.chat("placeholder", "new")).end("New.");
  const ends = old.map((app) => app.terminate());
  for (const stream of open) await stream.end("The last word.");
  expect(await Promise.all(ends)).toEqual(old.map(() => ({ code: 0, logged: [] })));

  // Step 3.
  const { code, stdout } = await run(theRest);
  expect(stdout.match(/3 lines: 1 trails stored, 2 updated, 0 stored before, 0 rejected\./g)).toHaveLength(2);
  expect(stdout.match(/3 trails: 3 equal, 0 different, 0 missing, 0 unreadable\./g)).toHaveLength(2);
  expect(code).toBe(0);
  const wanted = { "early-0": "Changed.", "open-1": "The last word.", "between-1": "Between.", new: "New." };
  for (const [messageId, answer] of Object.entries(wanted)) {
    expect(JSON.parse(await dual.get(`trail/${messageId}`))).toMatchObject({
      status: "complete",
      reasoning: [answer],
    });
  }
  expect(await dual.terminate()).toEqual({ code: 0, logged: [] });

  // What is rejected, and events.
  const line = { messageId: "rejected-1", model: "house-model-1", contextLayers: 1, timestamp: "yesterday" };
  fs.writeFileSync(path.join(folder, "trails-9.ndjson"), `${JSON.stringify(line)}\n`);
  expect(await run(firstCopy?.split("mkdir")[0])).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("1 rejected (see trails-9.ndjson.rejected)"),
  });
  await run(texts);
  const mended = fs.readFileSync(path.join(folder, "corrected.ndjson"), "utf8");
  expect(JSON.parse(mended)).toEqual(line);
  fs.writeFileSync(
    path.join(folder, "corrected.ndjson"),
    mended.replace("yesterday", new Date().toISOString()),
  );
  expect(await run(corrected)).toMatchObject({ code: 0, stdout: expect.stringContaining("1 trails stored") });
  const event = {
    id: "evt-1",
    actionType: "invoice.paid",
    resourceType: "invoice",
    resourceId: "inv-1",
    workspaceId: "ws-migrated",
    createdByUserId: "user-1",
    createdAt: "2009-03-01T08:00:00.000Z",
  };
  fs.writeFileSync(path.join(folder, "events.ndjson"), JSON.stringify(event));
  expect((await run(events)).stdout).toContain("1 lines: 1 events stored");

  // The clean-up.
  expect((await run(blocksOf(5, "bash")[0])).code).toBe(0);
  expect(fs.readdirSync(folder).toSorted()).toEqual(["afterimage.mjs", "app.ts", "events.ndjson"]);
}, 180_000);

test("it has no other commands than those that are tried here", () => {
  const counts = [1, 2, 3, 4, 5].map((week) => [week, blocksOf(week, "bash").length]);
  expect(Object.fromEntries(counts)).toEqual({ 1: 0, 2: 1, 3: 6, 4: 0, 5: 1 });
  const staging = blocksOf(2, "bash")[0]?.replace(", staging", "");
  expect(staging).toBe(blocksOf(3, "bash")[0]);
});
