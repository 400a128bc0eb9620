import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { startPostgres } from "../../local/postgres/index.ts";
import { runKills } from "./inngest-harness.ts";

/** The workflow engine and its function host under `kills` times kill -9; says what it found. */
export async function killEngine({ kills, seed }: { kills: number; seed: number }): Promise<boolean> {
  const since = Date.now();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "inngest-kill-"));
  fs.chmodSync(folder, 0o755);
  const postgres = await startPostgres({ dataDir: folder, settings: { fsync: "off" } });
  process.stdout.write(`seed: ${seed}\n`);
  try {
    const verdict = await runKills({
      databaseUrl: postgres.url(),
      kills,
      seed,
      progress: (line) =>
        process.stdout.write(`${line} after ${Math.round((Date.now() - since) / 1_000)} s\n`),
    });
    const checks = [
      ["every accepted order ran to its end exactly once", verdict.lost],
      ["no step with a stored result ran again", verdict.rerunStored],
      ["each effect was applied once", verdict.wrongEffects],
      [
        "the kills made steps without a stored result run again",
        verdict.rerunUnstored > 0 ? [] : ["none did"],
      ],
      ["neither process ended by itself", verdict.crashes],
    ] as const;
    for (const [name, problems] of checks) {
      process.stdout.write(`${problems.length === 0 ? "ok" : "FAILED"}  ${name}\n`);
      for (const problem of problems.slice(0, 10)) process.stdout.write(`        ${problem}\n`);
    }
    const failed = checks.filter(([, problems]) => problems.length > 0).length;
    process.stdout.write(
      `kills: ${kills}, runs: ${verdict.runs}, lost: ${verdict.lost.length}, re-run stored steps: ${verdict.rerunStored.length}, seed: ${seed}\n`,
    );
    process.stdout.write(`steps run again without a stored result: ${verdict.rerunUnstored}\n`);
    process.stdout.write(`${checks.length - failed} passed, ${failed} failed\n`);
    return failed === 0;
  } finally {
    await postgres.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
