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

/** Runs a block as it stands, beside the files, in a shell that stops at nothing, as a reader's does. */
async function run(
  block: string | undefined,
  more: Record<string, string> = {},
): Promise<{ code: number; stdout: string }> {
  const script = (block ?? "false").replaceAll("npx afterimage", `node ${program}`);
  const env = {
    ...process.env,
    DATABASE_URL: api.db.url("app"),
    WORKER_DATABASE_URL: api.db.url("worker"),
    MIGRATE_DATABASE_URL: api.db.url("admin"),
    ...more,
  };
  return promisify(execFile)("bash", ["-c", script], { cwd: folder, env }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout: `${stdout}\n${stderr}`,
    }),
  );
}

const files = (start: string, within = ".") =>
  fs.readdirSync(path.join(folder, within)).filter((name) => name.startsWith(start));
const [client = "", ending = ""] = blocksOf(1, "ts");
const start = (env: Record<string, string>) =>
  startApp(folder, { client, ending }, { AUDIT_TRAILS_FOLDER: folder, ...env });
/** An application in memory mode, with an answer of its own. */
async function startWith(messageId: string, env: Record<string, string> = {}) {
  const app = await start({ AUDIT_TRAIL_BACKEND: "memory", ...env });
  await (await app.chat("placeholder", messageId)).end("First.");
  return app;
}

test("its commands move two instances, and lose nothing that they wrote until their end", async () => {
  const old = [await startWith("early-0"), await startWith("early-1")];
  const open = await Promise.all(old.map((app, i) => app.chat("placeholder", `open-${i}`)));

  // Step 1, from a database, a key and a first copy.
  const [service, firstCopy, theRest, updates, compareFirst, putAway, texts, corrected, events] = blocksOf(
    3,
    "bash",
  );
  const made = await run(service);
  expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining("Nothing to do") });
  const [, apiKey = ""] = /\n {2}(\S+)\n\nKeep it now/.exec(made.stdout) ?? [];
  for (const app of old) await app.get("copy");
  const away = await run(firstCopy, { DATABASE_URL: "postgres://nobody@127.0.0.1:1/away" });
  expect(away.code).not.toBe(0);
  expect([files("trails-"), files("", "first")]).toEqual([expect.objectContaining({ length: 2 }), []]);
  expect((await run(firstCopy)).stdout.match(/2 lines: 2 trails stored/g)).toHaveLength(2);
  expect([files("trails-"), files("", "first")]).toEqual([[], expect.objectContaining({ length: 2 })]);

  // Step 2: the old instances write on until they end.
  const service2 = { AUDIT_URL: server.url, AUDIT_API_KEY: apiKey };
  const dual = await start({ ...service2, AUDIT_TRAIL_BACKEND: "dual" });
  expect(JSON.parse(await dual.get("trail/early-0"))).toMatchObject({ reasoning: ["First."] });
  for (const [i, app] of old.entries()) {
    await (await app.chat("placeholder", `between-${i}`)).end("Between.");
    await (await app.chat("update", `early-${i}`)).end("Changed.");
  }
  await (await dual.chat("placeholder", "new")).end("New.");
  await (await dual.chat("update", "between-0")).end("Too early.");
  await expect.poll(() => files("updates-"), { timeout: 10_000 }).toHaveLength(1);
  const ends = old.map((app) => app.terminate());
  for (const stream of open) await stream.end("The last word.");
  expect(await Promise.all(ends)).toEqual(old.map(() => ({ code: 0, logged: [] })));

  // Step 3.
  const { code, stdout } = await run(theRest);
  expect(stdout.match(/3 lines: 1 trails stored, 2 updated, 0 stored before, 0 rejected\./g)).toHaveLength(2);
  expect(stdout.match(/3 trails: 3 equal, 0 different, 0 missing, 0 unreadable\./g)).toHaveLength(2);
  expect(code).toBe(0);
  expect(await run(updates, service2)).toMatchObject({ code: 0, stdout: "200 between-0\n" });
  expect((await run(compareFirst)).stdout.match(/2 trails: 0 equal, 2 different, 0 missing/g)).toHaveLength(
    2,
  );
  const wanted = {
    "early-0": "Changed.",
    "open-1": "The last word.",
    "between-0": "Too early.",
    "between-1": "Between.",
    new: "New.",
  };
  for (const [messageId, answer] of Object.entries(wanted)) {
    expect(JSON.parse(await dual.get(`trail/${messageId}`))).toMatchObject({
      status: "complete",
      reasoning: [answer],
    });
  }
  const { code: ended, logged } = await dual.terminate();
  expect([ended, logged]).toEqual([0, [expect.stringContaining("not stored")]]);
  expect(files("trails-")).toHaveLength(2);

  // Step 4, and a second round: back to memory, and on again with its files alone.
  expect((await run(putAway)).code).toBe(0);
  expect([files("trails-"), files("updates-"), files("", "first")]).toEqual([[], [], []]);
  const back = await startWith("second");
  expect(await back.terminate()).toEqual({ code: 0, logged: [] });
  expect((await run(theRest)).stdout.match(/\d+ lines: .*/g)).toEqual([
    "1 lines: 1 trails stored, 0 stored before, 0 rejected.",
  ]);
  await run(putAway);

  // What is rejected, and events.
  const line = { messageId: "rejected-1", model: "house-model-1", contextLayers: 1, timestamp: "yesterday" };
  fs.writeFileSync(path.join(folder, "trails-9.ndjson"), `${JSON.stringify(line)}\n`);
  expect((await run(firstCopy)).stdout).toContain("1 rejected (see trails-9.ndjson.rejected)");
  expect(files("trails-")).toEqual(["trails-9.ndjson", "trails-9.ndjson.rejected"]);
  await run(texts);
  const mended = fs.readFileSync(path.join(folder, "corrected.ndjson"), "utf8");
  expect(JSON.parse(mended)).toEqual(line);
  fs.writeFileSync(
    path.join(folder, "corrected.ndjson"),
    mended.replace("yesterday", new Date().toISOString()),
  );
  expect(await run(corrected)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/1 trails stored.*1 trails: 1 equal/s),
  });
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

  // The clean-up, with what an import that broke off leaves.
  fs.writeFileSync(path.join(folder, "trails-9.ndjson.import.json"), "{}");
  fs.writeFileSync(path.join(folder, "events.ndjson.rejected"), "");
  fs.writeFileSync(path.join(folder, "updates-9.ndjson"), "");
  expect((await run(blocksOf(5, "bash")[0])).code).toBe(0);
  expect(fs.readdirSync(folder).toSorted()).toEqual(["afterimage.mjs", "app.ts"]);
}, 180_000);

test("the application does not start without its folder, and says so if it cannot save its memory", async () => {
  await expect(startWith("none", { AUDIT_TRAILS_FOLDER: path.join(folder, "none") })).rejects.toThrow(
    "ended",
  );
  const going = path.join(folder, "going");
  fs.mkdirSync(going);
  const app = await startWith("unsaved", { AUDIT_TRAILS_FOLDER: going });
  fs.rmdirSync(going);
  expect(await app.terminate()).toEqual({ code: 1, logged: [expect.stringContaining("memory not saved")] });
});

test("it has no other commands than those that are tried here", () => {
  const counts = [1, 2, 3, 4, 5].map((week) => [week, blocksOf(week, "bash").length]);
  expect(Object.fromEntries(counts)).toEqual({ 1: 0, 2: 1, 3: 9, 4: 0, 5: 1 });
  const staging = blocksOf(2, "bash")[0]?.replace(", staging", "");
  expect(staging).toBe(blocksOf(3, "bash")[0]);
});
