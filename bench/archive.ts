import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Finding, Measure } from "./support/measure.ts";
import { withClient, type BenchDatabase } from "./support/stage.ts";
import { median, quantile } from "./support/statistics.ts";

const FASTER_MIN = 100;
const WAL_MAX = 0.01;
const BATCH_ROWS = 5_000;
const CHUNK_ROWS = 100_000;
const WORKSPACES = 200;
/** Readers of both tables, by turns, while the month moves. */
const READERS = 2;
const READ_PAUSE_MS = 1;
const MONTHS_BACK = 8;
const MS_PER_S = 1_000;
const BYTES_PER_MB = 1_048_576;

interface Cost {
  ms: number;
  walBytes: number;
}

/** A month of events, moved whole, against the same month by batched DELETE … RETURNING and INSERT. */
export const archive: Measure = {
  name: "archive",
  title: "Archiving a month",
  run: async (run) => {
    const rows = run.sizes.archiveRows;
    const switches: Cost[] = [];
    const batches: Cost[] = [];
    const waits: number[] = [];
    const idle: number[] = [];
    for (let round = 0; round < run.sizes.archiveRounds; round++) {
      const database = await run.stage.database("bench_archive", { fresh: true });
      await fill(database, rows, (done) =>
        run.stage.say(`  round ${round + 1}: ${done.toLocaleString("en")} events`),
      );
      idle.push(await longestRead(database, () => sleep(MS_PER_S)));
      let moved: Cost | undefined;
      waits.push(await longestRead(database, async () => void (moved = await costOf(database, moveWhole))));
      switches.push(moved as Cost);
      await putBack(database);
      batches.push(await costOf(database, moveByRows));
    }
    return { findings: findings(rows, switches, batches, { waits, idle }), notes: [NOTE] };
  },
};

const NOTE = `Reference: batches of ${BATCH_ROWS.toLocaleString("en")} rows, each one statement and one commit that deletes from the hot table and inserts into the archive. Ours: \`archive_month()\`, its count of the month included; of the reference, the look for the next batch is. WAL by pg_current_wal_insert_lsn(), after a checkpoint on either side. Readers ask every_event for a workspace's newest events, one after the other on ${READERS} connections, while the month moves whole; the longest answer beside it is that of the same readers while nothing moves.`;

function findings(
  rows: number,
  ours: Cost[],
  reference: Cost[],
  reads: { waits: number[]; idle: number[] },
): Finding[] {
  const of = (costs: Cost[], pick: (cost: Cost) => number) => costs.map(pick);
  const ms = (cost: Cost) => cost.ms;
  const wal = (cost: Cost) => cost.walBytes;
  const text = (values: number[], unit: string, digits = 1) => `${median(values).toFixed(digits)} ${unit}`;
  const n = rows.toLocaleString("en");
  return [
    {
      measure: `${n} events: times as fast`,
      reference: text(
        of(reference, (cost) => cost.ms / MS_PER_S),
        "s",
      ),
      ours: text(of(ours, ms), "ms"),
      ratios: ours.map((cost, i) => (reference[i]?.ms ?? Number.NaN) / cost.ms),
      target: { atLeast: FASTER_MIN },
    },
    {
      measure: `${n} events: WAL`,
      reference: text(
        of(reference, (cost) => cost.walBytes / BYTES_PER_MB),
        "MB",
      ),
      ours: text(
        of(ours, (cost) => cost.walBytes / BYTES_PER_MB),
        "MB",
        3,
      ),
      ratios: ours.map((cost, i) => wal(cost) / (reference[i]?.walBytes ?? Number.NaN)),
      target: { atMost: WAL_MAX },
    },
    {
      measure: "readers' longest wait while it moves",
      reference: text(reads.idle, "ms"),
      ours: `${Math.max(...reads.waits).toFixed(1)} ms`,
      ratios: [],
    },
  ];
}

/** A whole month of events, written as the keeper, whom alone the guards let write in the past. */
async function fill(database: BenchDatabase, rows: number, onChunk: (done: number) => void): Promise<void> {
  await database.query(`select audit.add_month_partition('audit_events', ${MONTH}::date)`);
  await withClient(database.superuserUrl, async (client) => {
    await client.query("set synchronous_commit = off; set timezone = 'UTC'; set role audit_keeper");
    for (let from = 1; from <= rows; from += CHUNK_ROWS) {
      const to = Math.min(from + CHUNK_ROWS - 1, rows);
      await client.query(EVENTS, [from, to, rows]);
      if (to % (CHUNK_ROWS * 5) === 0) onChunk(to);
    }
    await client.query(
      "insert into audit.audit_retention_policies (workspace_id) select 'ws-' || n from generate_series(0, $1::int) n on conflict do nothing",
      [WORKSPACES],
    );
  });
  await database.query("vacuum analyze audit.audit_events");
}

const MONTH = `(date_trunc('month', now() at time zone 'UTC') - interval '${MONTHS_BACK} months')`;

const EVENTS = `
  insert into audit.audit_events (
    created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id, old_values, new_values,
    changed_fields, ip_address, user_agent, request_id, tags, metadata
  )
  select
    ${MONTH} at time zone 'UTC' + interval '27 days' * (n / $3::float8), 'ws-' || n % ${WORKSPACES}, 'user-' || n % 2000, 'UPDATE_DOCUMENT', 'document',
    'res-' || n % 977,
    jsonb_build_object('name', 'Quarterly review ' || n % 997, 'plan', 'free', 'seats', n % 500, 'summary', 'Draft ' || md5(n::text)),
    jsonb_build_object('name', 'Quarterly review ' || n % 997, 'plan', 'team', 'seats', n % 499, 'summary', 'Final ' || md5(n::text)),
    array['plan', 'seats', 'summary'], ('10.1.' || n % 256 || '.' || n % 251)::inet,
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36', 'req-' || n,
    array['bench', 'fill'], jsonb_build_object('region', 'eu', 'build', n % 900, 'traceId', md5((n + 1)::text))
  from generate_series($1::bigint, $2::bigint) n`;

async function costOf(database: BenchDatabase, move: (client: pg.Client) => Promise<void>): Promise<Cost> {
  return withClient(database.superuserUrl, async (client) => {
    await client.query("checkpoint");
    const position = async () =>
      (await client.query<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn")).rows[0]?.lsn;
    const before = await position();
    const started = performance.now();
    await move(client);
    const ms = performance.now() - started;
    const { rows } = await client.query<{ bytes: string }>(
      "select pg_current_wal_insert_lsn() - $1::pg_lsn as bytes",
      [before],
    );
    return { ms, walBytes: Number(rows[0]?.bytes) };
  });
}

async function moveWhole(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ outcome: string }>(
    `select audit.archive_month(${MONTH}::date) as outcome`,
  );
  if (rows[0]?.outcome !== "moved") throw new Error(`the month did not move: ${rows[0]?.outcome}`);
}

/** What a careful hand-written archiver does. */
async function moveByRows(client: pg.Client): Promise<void> {
  await client.query("set role audit_keeper");
  for (let moved = BATCH_ROWS; moved === BATCH_ROWS;) {
    const { rowCount } = await client.query(
      `with due as (
         select id, created_at from audit.audit_events
         where created_at < ${MONTH} at time zone 'UTC' + interval '1 month'
         order by created_at limit ${BATCH_ROWS}
       ),
       gone as (
         delete from audit.audit_events e using due where e.id = due.id and e.created_at = due.created_at
         returning e.*
       )
       insert into audit.audit_events_archive select gone.*, now() from gone`,
    );
    moved = rowCount ?? 0;
  }
  await client.query("reset role");
}

/** Makes the moved month hot again, so that both are measured on the same rows. */
async function putBack(database: BenchDatabase): Promise<void> {
  const [name] = await database.query<{ hot: string; archived: string; from: string; to: string }>(
    `select 'audit_events' || to_char(m, '_YYYY_MM') as hot, 'audit_events_archive' || to_char(m, '_YYYY_MM') as archived,
       m::date || ' 00:00:00+00' as from, (m + interval '1 month')::date || ' 00:00:00+00' as to from (values (${MONTH})) v (m)`,
  );
  if (!name) throw new Error("no month");
  await database.query(`alter table audit.audit_events_archive detach partition audit.${name.archived}`);
  await database.query(`alter table audit.${name.archived} drop column archived_at`);
  await database.query(`alter table audit.${name.archived} rename to ${name.hot}`);
  await database.query(
    `alter table audit.audit_events attach partition audit.${name.hot} for values from ('${name.from}') to ('${name.to}')`,
  );
  await database.query(
    `select audit.add_month_partition('audit_events_archive', '${name.from.slice(0, 10)}')`,
  );
}

/** The longest that a reader waited for an answer while something was done, in milliseconds. */
async function longestRead(database: BenchDatabase, work: () => Promise<unknown>): Promise<number> {
  let isDone = false;
  const times: number[] = [];
  const reader = (n: number) =>
    withClient(database.appUrl, async (client) => {
      while (!isDone) {
        const started = performance.now();
        await client.query(
          "select id from audit.every_event where workspace_id = $1 order by created_at desc, id desc limit 50",
          [`ws-${n}`],
        );
        times.push(performance.now() - started);
        await sleep(READ_PAUSE_MS);
      }
    });
  const readers = Promise.all(Array.from({ length: READERS }, (_, n) => reader(n)));
  await sleep(MS_PER_S / 2);
  await work();
  isDone = true;
  await readers;
  return quantile(times, 1);
}
