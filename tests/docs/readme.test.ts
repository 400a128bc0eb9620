import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { databaseFolder } from "../support/folders.ts";
import { useStack, type RunningStack } from "../support/stack.ts";

const RUN_TIMEOUT_MS = 180_000;
const root = path.resolve(import.meta.dirname, "../..");
const readme = fs.readFileSync(path.join(root, "README.md"), "utf8");
const stack = useStack();
const run = promisify(execFile);
const checkout = databaseFolder("afterimage-readme-");
let running: RunningStack;

/** A checkout whose .afterimage is this test's own, so that every block is run as it stands. */
beforeAll(async () => {
  running = await stack.start(["--port", "0"]);
  for (const name of ["package.json", "node_modules", "cli"]) {
    fs.symlinkSync(path.join(root, name), path.join(checkout, name));
  }
  fs.symlinkSync(stack.dataDir, path.join(checkout, ".afterimage"));
  fs.writeFileSync(path.join(checkout, ".curlrc"), "fail-with-body\n");
}, 90_000);
afterAll(async () => {
  await running.end("SIGINT");
  fs.rmSync(checkout, { recursive: true, force: true });
});

/** The shell blocks below a heading, one after the other. */
function blocksOf(heading: string): string {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/```bash\n([\s\S]*?)```/g)].map((match) => match[1]).join("\n");
}

/** What the blocks below these headings print, pasted into one shell. */
async function paste(...headings: string[]): Promise<string> {
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", headings.map(blocksOf).join("\n")], {
    cwd: checkout,
    env: { ...process.env, CURL_HOME: checkout },
  }).catch((error: { stdout: string; stderr: string }) => {
    throw new Error(`${error.stdout}\n${error.stderr}`);
  });
  return stdout;
}

test("the README's first minutes work by copy and paste", { timeout: RUN_TIMEOUT_MS }, async () => {
  const stdout = await paste("The first minute", "Events and messages");
  expect(stdout).toMatch(/│ '1' +│ '0' +│/);
  expect(stdout).toContain('"userId" : "bob"');
  expect(stdout).toContain('"status":"completed"');
  expect(stdout).toMatch(/│ 'Ada' │ '20\.90' │\n.*│ 'Ada' │ '5' +│/);
  expect(stdout).toContain('"changedFields":["name"]');
  expect(stdout).toContain("Audit events are immutable");
  expect(stdout).toContain('"status":"placeholder"');
  expect(stdout).toMatch(/"status":"complete".*"total":0\.00105/);
});

test("the README's commands for operators work by copy and paste", { timeout: RUN_TIMEOUT_MS }, async () => {
  const trail = {
    messageId: "msg-0",
    projectId: "proj-1",
    model: "claude-3-7-sonnet-20250219",
    contextLayers: 1,
    timestamp: "2026-01-01T00:00:00Z",
  };
  fs.writeFileSync(path.join(checkout, "trails.ndjson"), `${JSON.stringify(trail)}\n`);
  const stdout = await paste("The first minute", "For operators");
  expect(stdout).toContain("Nothing to do: the database is as this code wants it.");
  expect(stdout).toContain("Recording public.customers.\nRecording public.orders.");
  expect(stdout).toContain("1 trails stored");
  expect(stdout).toContain("1 of 1 channels delivered it.");
  expect(stdout).toMatch(/ok +guards/);
});

test("npm run demo:chat streams answers whose trails are complete", async () => {
  expect(readme).toContain("`npm run demo:chat`");
  const demo = ["run", "--silent", "demo:chat", "--", "--data", stack.dataDir];
  const { stdout } = await run("npm", demo, { cwd: root });
  expect(stdout.match(/trail \S+: complete, \d+ tokens, \$0\.\d+/g)).toHaveLength(3);
  expect(stdout).toContain('"stored":9,"dropped":0');
}, 90_000);
