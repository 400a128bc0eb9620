import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Api } from "./support/api-process.ts";
import { HttpClient } from "./support/http-client.ts";
import type { Finding, Measure } from "./support/measure.ts";
import { makeEvents } from "./support/rows.ts";
import type { BenchDatabase, Stage } from "./support/stage.ts";
import { median } from "./support/statistics.ts";

const WORKSPACES = 50;
const PORTION = 2_000;
const SEED = 6_000_000;
/** The newest month that is past every default, in months before this one. */
const NEWEST = 14;
const SEARCH_MS_MAX = 2_000;
const BYTES_PER_MB = 1_048_576;
const MEMORY_BYTES_MAX = 256 * BYTES_PER_MB;
const STEP_MS_MAX = 30_000;
const root = path.resolve(import.meta.dirname, "..");

/** Months that become cold files: their size, what writing one takes, and searches over a year of them. */
export const cold: Measure = {
  name: "cold",
  title: "Cold files",
  run: async ({ stage, sizes, rounds }) => {
    const { months, rows } = sizes.cold;
    const database = await stage.database("bench_cold", { fresh: true });
    const folder = path.join(stage.dataDir, "cold");
    fs.rmSync(folder, { recursive: true, force: true });
    const ARCHIVE_URL = pathToFileURL(folder).href;
    await fill(database, months, rows, stage);
    const heap = await heapOf(database);
    const taken = await exportAll(database, ARCHIVE_URL);
    const [noted] = await database.query<{ rows: number; bytes: number }>(
      "select sum(row_count)::int as rows, sum(bytes)::float8 as bytes from audit.cold_months where dropped_at is not null",
    );
    if (noted?.rows !== months * rows) throw new Error(`${noted?.rows} of ${months * rows} events are cold`);

    const findings: Finding[] = [
      perEvent("bytes of an event, with the heap's", heap.table / noted.rows, noted.bytes / noted.rows),
      perEvent("bytes of an event, with its indexes'", heap.total / noted.rows, noted.bytes / noted.rows),
      within("the longest step of the export", STEP_MS_MAX, [taken.longestMs], ms),
      within("memory of the export", MEMORY_BYTES_MAX, [taken.peakBytes], mb),
    ];
    const api = await stage.api(database, "pg", { ARCHIVE_URL });
    const client = new HttpClient(api, 1);
    for (const [name, query] of Object.entries(searches(months))) {
      const medians: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const started = performance.now();
        await client.send({ method: "GET", path: `/api/audit/events?${query}` });
        medians.push(performance.now() - started);
      }
      findings.push(within(name, SEARCH_MS_MAX, medians, ms));
    }
    findings.push(within("memory of the searches", MEMORY_BYTES_MAX, [peakOf(api)], mb));
    await client.close();
    await stage.stopApis();
    return {
      findings,
      notes: [
        `${months} months of ${rows.toLocaleString("en")} events of ${WORKSPACES} workspaces, in a folder on this machine; reference: of the first two lines the table in Postgres, of the others the target. Memory is the most that the process ever held, Node itself included. The first search of each kind opens the files; those without a workspace read some of every row group, the last one every text of its month.`,
      ],
    };
  },
};

const from = (months: number) => `${monthsAgo(NEWEST + months)}T00:00:00Z`;
const searches = (months: number): Record<string, string> => ({
  "a workspace's events of one kind": `from=${from(months)}&workspaceId=ws-7&actionType=invoice.paid&limit=50`,
  "a user's events in all workspaces": `from=${from(months)}&actorId=user-77&limit=50`,
  "a text in a workspace": `from=${from(months)}&workspaceId=ws-7&text=nowhere+to+be+found&limit=50`,
  "a text in none of a month's events": `from=${monthsAgo(NEWEST)}T00:00:00Z&to=${monthsAgo(NEWEST - 1)}T00:00:00Z&text=nowhere+to+be+found&limit=50`,
});

const ms = (value: number) => `${value.toFixed(0)} ms`;
const mb = (value: number) => `${(value / BYTES_PER_MB).toFixed(0)} MB`;

const perEvent = (measure: string, reference: number, ours: number): Finding => ({
  measure,
  reference: `${reference.toFixed(0)} B`,
  ours: `${ours.toFixed(0)} B`,
  ratios: [ours / reference],
});

const within = (
  measure: string,
  most: number,
  values: number[],
  show: (value: number) => string,
): Finding => ({
  measure,
  reference: show(most),
  ours: show(median(values)),
  ratios: values.map((value) => value / most),
  target: { atMost: 1 },
});

function monthsAgo(count: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - count, 1)).toISOString().slice(0, 10);
}

async function fill(database: BenchDatabase, months: number, rows: number, stage: Stage): Promise<void> {
  stage.say(`  archiving ${months} months of ${rows.toLocaleString("en")} events …`);
  for (let i = 0; i < months; i++) {
    const month = monthsAgo(NEWEST + i);
    await database.query("select audit.add_month_partition('audit_events_archive', $1::date)", [month]);
    for (let done = 0; done < rows; done += PORTION) {
      const events = makeEvents(Math.min(PORTION, rows - done), SEED + i * rows + done, {
        workspaces: WORKSPACES,
      });
      await database.query(INSERT, [JSON.stringify(events), month, done, rows]);
    }
  }
  await database.query("vacuum analyze audit.audit_events_archive");
}

const INSERT = `
  insert into audit.audit_events_archive (created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
    old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata)
  select $2::timestamptz + interval '28 days' * (($3::int + n) / $4::float8),
    e ->> 'workspaceId', e ->> 'createdByUserId', e ->> 'actionType', e ->> 'resourceType', e ->> 'resourceId',
    e -> 'oldValues', e -> 'newValues', '{plan,seats,updatedAt}', (e ->> 'ipAddress')::inet, e ->> 'userAgent',
    e ->> 'requestId', array(select jsonb_array_elements_text(e -> 'tags')), e -> 'metadata'
  from jsonb_array_elements($1::jsonb) with ordinality x (e, n)`;

async function heapOf(database: BenchDatabase): Promise<{ table: number; total: number }> {
  const [sizes] = await database.query<{ table: number; total: number }>(
    `select sum(pg_table_size(inhrelid))::float8 as table, sum(pg_total_relation_size(inhrelid))::float8 as total
     from pg_inherits where inhparent = 'audit.audit_events_archive'::regclass`,
  );
  return sizes as { table: number; total: number };
}

async function exportAll(database: BenchDatabase, ARCHIVE_URL: string) {
  const env = {
    ...process.env,
    DATABASE_URL: database.appUrl,
    WORKER_DATABASE_URL: database.workerUrl,
    ARCHIVE_URL,
  };
  const args = ["--import", "tsx", "bench/support/export-cold.ts"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env });
  return JSON.parse(stdout) as { longestMs: number; peakBytes: number };
}

/** The most memory that a process ever held, as Linux counts it; its memory of now elsewhere is not the same thing. */
function peakOf({ pid }: Api): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}
