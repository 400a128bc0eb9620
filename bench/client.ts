import { build } from "esbuild";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { createAuditClient } from "../client/index.ts";
import type { Api } from "./support/api-process.ts";
import type { Measure } from "./support/measure.ts";
import { makeEvents } from "./support/rows.ts";
import type { BenchDatabase } from "./support/stage.ts";
import { quantile } from "./support/statistics.ts";

const WORKSPACES = 100;
const SEED = 8_000_000;
/** Events that a caller logs before it lets others run, and how long it does. */
const BURST = 20;
const BETWEEN_MS = 5;
const FLUSH_TIMEOUT_MS = 60_000;
const P99_MAX_MS = 0.2;
const GZIP_BYTES_MAX = 6_000;
const GZIP_LEVEL = 9;
const root = path.resolve(import.meta.dirname, "..");

/** What the client takes from the application that uses it: time of its calls, and bytes of its bundle. */
export const client: Measure = {
  name: "client",
  title: "The client",
  run: async (run) => {
    const database = await run.stage.database("bench_client", { fresh: true });
    const api = await run.stage.api(database, "pg");
    const p99s: number[] = [];
    const medians: number[] = [];
    // The first round warms up and does not count.
    for (let round = 0; round <= run.rounds; round++) {
      const times = await logBuffered(api, run.sizes.clientEvents, SEED + round);
      await requireStored(database, run.sizes.clientEvents * (round + 1));
      if (round === 0) continue;
      p99s.push(quantile(times, 0.99));
      medians.push(quantile(times, 0.5));
      run.stage.say(`  round ${round} of ${run.rounds}: p99 ${p99s.at(-1)?.toFixed(4)} ms`);
    }
    await run.stage.stopApis();
    const bytes = await gzippedBytes();
    const shown = (values: number[]) => `${quantile(values, 0.5).toFixed(4)} ms`;
    return {
      findings: [
        {
          measure: "logAuditEvent, buffered: the caller's time, p99",
          reference: `${P99_MAX_MS} ms`,
          ours: shown(p99s),
          ratios: p99s.map((ms) => ms / P99_MAX_MS),
          target: { atMost: 1 },
        },
        {
          measure: "logAuditEvent, buffered: the caller's time, median",
          reference: `${P99_MAX_MS} ms`,
          ours: shown(medians),
          ratios: medians.map((ms) => ms / P99_MAX_MS),
        },
        {
          measure: "createAuditClient, bundled, minified and gzipped",
          reference: `${GZIP_BYTES_MAX} bytes`,
          ours: `${bytes} bytes`,
          ratios: [bytes / GZIP_BYTES_MAX],
          target: { atMost: 1 },
        },
      ],
      notes: [
        `Events of about 1 KB, ${run.sizes.clientEvents.toLocaleString("en")} a round in bursts of ${BURST} every ${BETWEEN_MS} ms, while the same process sends them to the API in the background; each is stored at the end. The reference is the target. The bundle is esbuild's, gzip -${GZIP_LEVEL}.`,
      ],
    };
  },
};

/** Milliseconds of each call; all are sent when it ends. */
async function logBuffered(api: Api, count: number, seed: number): Promise<number[]> {
  const audit = createAuditClient({
    url: api.url,
    apiKey: api.keys[0],
    backend: "database",
    mode: "buffered",
    flushTimeoutMs: FLUSH_TIMEOUT_MS,
    log: () => undefined,
  });
  const times: number[] = [];
  for (const [i, event] of makeEvents(count, seed, { workspaces: WORKSPACES }).entries()) {
    const startedAt = performance.now();
    await audit.logAuditEvent(event);
    times.push(performance.now() - startedAt);
    if (i % BURST === BURST - 1) await sleep(BETWEEN_MS);
  }
  await audit.close();
  return times;
}

async function requireStored(database: BenchDatabase, logged: number): Promise<void> {
  const [row] = await database.query<{ stored: number }>(
    "select count(*)::int as stored from audit.audit_events where workspace_id <> 'afterimage'",
  );
  if (row?.stored !== logged) throw new Error(`${logged} events were logged, but ${row?.stored} are stored`);
}

async function gzippedBytes(): Promise<number> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["client/index.ts"],
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: GZIP_LEVEL }).length;
}
