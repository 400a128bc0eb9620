import { execFile, spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DevFile } from "../../local/dev-file.ts";
import { databaseFolder } from "../support/folders.ts";
import { psqlFolder } from "../support/psql.ts";

const START_TIMEOUT_MS = 180_000;
const RUN_TIMEOUT_MS = 180_000;
const root = path.resolve(import.meta.dirname, "../..");
const runbook = fs.readFileSync(path.join(root, "docs/RUNBOOK.md"), "utf8");
const folder = databaseFolder("afterimage-runbook-");
const dataDir = path.join(folder, "karaoke");

let demo: ChildProcess;
let told = "";

/** `npm run demo:restore -- --keep`, until it has told its story and left its damage. */
beforeAll(async () => {
  const args = ["--import", "tsx", "examples/karaoke/main.ts", "--data", dataDir, "--keep"];
  demo = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      told += chunk.toString();
      if (told.includes("Ctrl-C stops everything")) resolve();
    };
    demo.stdout?.on("data", read);
    demo.stderr?.on("data", read);
    demo.once("exit", (code) => reject(new Error(`the demo ended with ${code}:\n${told}`)));
  });
}, START_TIMEOUT_MS);

afterAll(async () => {
  if (demo.exitCode === null) {
    const ended = new Promise((resolve) => demo.once("exit", resolve));
    demo.kill("SIGTERM");
    await ended;
  }
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Every shell block, in order, led to the stack of this test. */
function script(): string {
  const dev = JSON.parse(fs.readFileSync(path.join(dataDir, "dev.json"), "utf8")) as DevFile;
  const karaoke = /Karaoke +(\S+)/.exec(told)?.[1] ?? "";
  return [...runbook.matchAll(/^ *```bash\n([\s\S]*?)^ *```$/gm)]
    .map((match) => match[1])
    .join("\n")
    .replaceAll("http://localhost:3000", dev.url)
    .replaceAll("http://localhost:4310", karaoke)
    .replaceAll(".afterimage/karaoke", dataDir)
    .replaceAll("npx afterimage", "node cli/afterimage.js");
}

describe("the runbook, against the example", () => {
  test("works block after block by copy and paste", { timeout: RUN_TIMEOUT_MS }, async () => {
    const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script()], {
      cwd: root,
      env: { ...process.env, PATH: `${await psqlFolder(folder)}:${process.env.PATH}` },
    }).catch((error: { stdout: string; stderr: string }) => {
      throw new Error(`${error.stdout}\n${error.stderr}`);
    });
    const ends = stdout.match(/^(planned|completed|awaiting_approval|needs_attention|failed|rolled_back)$/gm);
    expect(ends).toEqual([
      // The record, its rollback as its end and as the restore shows it, the transaction, the actor.
      "completed",
      "completed",
      "rolled_back",
      "completed",
      "completed",
      // The tables: before and after Bea has agreed, and where it stands.
      "awaiting_approval",
      "completed",
      "completed",
    ]);
    expect(stdout).toContain("flush-caches: done");
    expect(stdout).toContain("Needs approval because it restores whole tables.");
    expect(stdout).toContain('"displayName":"Blue Note Nord"');
  });

  test("brings back what was damaged, as the demo tells it", () => {
    expect(told).toContain("All is as told.");
    expect(told).not.toContain("✗");
  });
});

describe("the runbook", () => {
  test("says of every problem of a plan what to do", () => {
    const source = fs.readFileSync(path.join(root, "services/restore/problems.ts"), "utf8");
    const codes = [...source.matchAll(/case "(\w+)":/g)].map((match) => match[1] as string);
    const rows = [...runbook.matchAll(/^\| `(\w+)` \| (?:blocking|conflict|loss|note)/gm)].map(
      (match) => match[1],
    );
    expect(rows.toSorted()).toEqual([...codes, "rows_stay"].toSorted());
  });
});
