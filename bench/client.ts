import { build } from "esbuild";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { createAuditClient } from "../client/index.ts";
import type { Api } from "./support/api-process.ts";
import type { Measure } from "./support/measure.ts";
import { makeEvents, type BenchEvent } from "./support/rows.ts";
import type { BenchDatabase } from "./support/stage.ts";
import { quantile } from "./support/statistics.ts";

const WORKSPACES = 100;
const SEED = 8_000_000;
/** How long a caller lets others run after each burst. */
const BETWEEN_MS = 5;
/** Each with how many a caller logs in a burst, and what share of the round's events it is. */
const KINDS = [
  { name: "events of 1 KB", text: "", burst: 20, share: 1 },
  { name: "events of 16 KB", text: "x".repeat(15 * 1024), burst: 2, share: 0.1 },
];
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
    const findings = new Map<string, { target?: { atMost: number }; times: number[] }>();
    let logged = 0;
    // The first round warms up and does not count.
    for (let round = 0; round <= run.rounds; round++) {
      for (const kind of KINDS) {
        const events = makeEvents(run.sizes.clientEvents * kind.share, SEED + round, {
          workspaces: WORKSPACES,
        });
        const times = await logBuffered(api, events, kind);
        await requireStored(database, (logged += events.length));
        if (round === 0) continue;
        const note = (name: string, share: number, target: object) => {
          const measure = `logAuditEvent, buffered, ${kind.name}: the caller's time, ${name}`;
          const finding = findings.get(measure) ?? { ...target, times: [] };
          finding.times.push(quantile(times, share));
          findings.set(measure, finding);
        };
        note("p99", 0.99, { target: { atMost: 1 } });
        note("median", 0.5, {});
        run.stage.say(
          `  round ${round} of ${run.rounds}, ${kind.name}: p99 ${quantile(times, 0.99).toFixed(4)} ms`,
        );
      }
    }
    await run.stage.stopApis();
    const bytes = await gzippedBytes();
    return {
      findings: [
        ...Array.from(findings, ([measure, { times, ...rest }]) => ({
          measure,
          reference: `${P99_MAX_MS} ms`,
          ours: `${quantile(times, 0.5).toFixed(4)} ms`,
          ratios: times.map((ms) => ms / P99_MAX_MS),
          ...rest,
        })),
        {
          measure: "createAuditClient, bundled, minified and gzipped",
          reference: `${GZIP_BYTES_MAX} bytes`,
          ours: `${bytes} bytes`,
          ratios: [bytes / GZIP_BYTES_MAX],
          target: { atMost: 1 },
        },
      ],
      notes: [
        `${run.sizes.clientEvents.toLocaleString("en")} events of about 1 KB a round in bursts of 20, and a tenth as many of 16 KB in bursts of 2, every ${BETWEEN_MS} ms, while the same process sends them to the API in the background; each is stored at the end. The reference is the target. The bundle is esbuild's, gzip -${GZIP_LEVEL}.`,
      ],
    };
  },
};

/** Milliseconds of each call; all are sent when it ends. */
async function logBuffered(
  api: Api,
  events: BenchEvent[],
  { text, burst }: (typeof KINDS)[number],
): Promise<number[]> {
  const audit = createAuditClient({
    url: api.url,
    apiKey: api.keys[0],
    backend: "database",
    mode: "buffered",
    flushTimeoutMs: FLUSH_TIMEOUT_MS,
    log: () => undefined,
  });
  const times: number[] = [];
  for (const [i, event] of events.entries()) {
    const startedAt = performance.now();
    await audit.logAuditEvent({ ...event, metadata: { text } });
    times.push(performance.now() - startedAt);
    if (i % burst === burst - 1) await sleep(BETWEEN_MS);
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
