import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { useStack, type RunningStack } from "../support/stack.ts";

const root = path.resolve(import.meta.dirname, "../..");
const readme = fs.readFileSync(path.join(root, "README.md"), "utf8");
const stack = useStack();
const run = promisify(execFile);
let running: RunningStack;
beforeAll(async () => {
  running = await stack.start(["--port", "0"]);
}, 90_000);
afterAll(() => running.end("SIGINT"));

/** The shell blocks below a heading, one after the other. */
function blocksOf(heading: string): string {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/```bash\n([\s\S]*?)```/g)].map((match) => match[1]).join("\n");
}

test("the README's first minute works by copy and paste", async () => {
  const script = blocksOf("The first minute")
    .replaceAll("http://localhost:3000", running.dev.url)
    .replaceAll(".afterimage/dev.json", path.join(stack.dataDir, "dev.json"))
    .replaceAll("curl ", "curl --silent --show-error --fail-with-body ");
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script], { cwd: root });
  expect(stdout).toContain('"changedFields":["name"]');
  expect(stdout).toContain('"status":"placeholder"');
  expect(stdout).toMatch(/"status":"complete".*"total":0\.00105/);
  expect(stdout).toContain('"jobId":"trail-cleanup"');
  expect(stdout).toContain("Audit events are immutable");
}, 90_000);

test("npm run demo:chat streams answers whose trails are complete", async () => {
  expect(readme).toContain("`npm run demo:chat`");
  const demo = ["run", "--silent", "demo:chat", "--", "--data", stack.dataDir];
  const { stdout } = await run("npm", demo, { cwd: root });
  expect(stdout.match(/trail \S+: complete, \d+ tokens, \$0\.\d+/g)).toHaveLength(3);
  expect(stdout).toContain('"stored":9,"dropped":0');
}, 90_000);
