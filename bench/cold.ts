import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { bundle } from "../build.config.ts";
import type { Api } from "./support/api-process.ts";
import { HttpClient } from "./support/http-client.ts";
import type { Finding, Measure } from "./support/measure.ts";
import { inOrder } from "./support/rounds.ts";
import { makeEvents } from "./support/rows.ts";
import type { BenchDatabase } from "./support/stage.ts";
import { median } from "./support/statistics.ts";

const WORKSPACES = 50;
const PORTION = 2_000;
const SEED = 6_000_000;
/** The newest month that is past every default, in months before this one. */
const NEWEST = 14;
const SEARCH_MS_MAX = 2_000;
const MS_PER_S = 1_000;
const BYTES_PER_MB = 1_048_576;
const MEMORY_BYTES_MAX = 256 * BYTES_PER_MB;
const STEP_MS_MAX = 30_000;
const root = path.resolve(import.meta.dirname, "..");

/** A month that stays in the archive: its events are not past their warm time. */
const ARCHIVED = 8;
/** Of a month; what is exported from the archive and from a cold file, to compare. */
const EXPORTED_DAYS = 7;

/** Months that become cold files: their size, what writing one takes, and searches over a year of them. */
export const cold: Measure = {
  name: "cold",
  title: "Cold files",
  run: async ({ stage, sizes, rounds }) => {
    const { months, rows } = sizes.cold;
    const database = await stage.database("bench_cold", { fresh: true });
    const folder = path.join(stage.dataDir, "cold");
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder);
    const ARCHIVE_URL = pathToFileURL(folder).href;
    const built = path.join(stage.dataDir, "cold-built");
    await bundle({ serve: "local/serve.ts", export: "bench/support/export-cold.ts" }, built);
    stage.say(`  archiving ${months} months of ${rows.toLocaleString("en")} events …`);
    await fill(database, NEWEST, rows);
    for (let i = 1; i < months; i++) await copy(database, NEWEST, NEWEST + i);
    const heap = await heapOf(database);
    await copy(database, NEWEST, ARCHIVED);
    stage.say("  writing cold files …");
    const taken = await exportAll(database, ARCHIVE_URL, path.join(built, "export.js"));
    const [noted] = await database.query<{ rows: number; bytes: number }>(
      "select sum(row_count)::int as rows, sum(bytes)::float8 as bytes from audit.cold_months where dropped_at is not null",
    );
    if (noted?.rows !== months * rows) throw new Error(`${noted?.rows} of ${months * rows} events are cold`);

    stage.say("  searching …");
    const api = await stage.api(database, "pg", { ARCHIVE_URL }, path.join(built, "serve.js"));
    const client = new HttpClient(api, 1);
    const searched = await searchAll(client, months, rounds);
    const searchBytes = peakOf(api);
    stage.say("  exporting …");
    const exported = await exportBoth(client, rounds);
    const exportBytes = peakOf(api);
    await client.close();
    await stage.stopApis();
    return {
      findings: [
        perEvent("bytes of an event, with the heap's", heap.table / noted.rows, noted.bytes / noted.rows),
        perEvent("bytes of an event, with its indexes'", heap.total / noted.rows, noted.bytes / noted.rows),
        within("the longest step of writing", STEP_MS_MAX, [taken.longestMs], ms),
        within("memory of writing", MEMORY_BYTES_MAX, [taken.peakBytes], mb),
        ...searched.map(([name, times]) => within(name, SEARCH_MS_MAX, times, ms)),
        within("memory of the searches", MEMORY_BYTES_MAX, [searchBytes], mb),
        exported,
        within("memory of the searches and exports", MEMORY_BYTES_MAX, [exportBytes], mb),
      ],
      notes: [
        `${months} months of ${rows.toLocaleString("en")} events of ${WORKSPACES} workspaces, in a folder on this machine; searches are over all of them for a page of 50 unless they say otherwise. Reference: of the first two lines the table in Postgres, of the export an archived month, of the others the target. Both processes are bundled as they are deployed, and run by plain Node; memory is the most that the process ever held, Node itself included. The searches take turns; the first round opens the files. The export is of ${EXPORTED_DAYS} days of a month, all workspaces, as NDJSON.`,
      ],
    };
  },
};

/** The times of each search, one a round. */
async function searchAll(client: HttpClient, months: number, rounds: number): Promise<[string, number[]][]> {
  const all = Object.entries(searches(months)).map(([name, query]) => ({
    name,
    query,
    times: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { query, times } of inOrder(all, round)) {
      times.push((await client.send({ method: "GET", path: `/api/audit/events?${query}` })).ms);
    }
  }
  return all.map(({ name, times }) => [name, times]);
}

/** The same days of an archived and of a cold month, as many events of each. */
async function exportBoth(client: HttpClient, rounds: number): Promise<Finding> {
  const rates = { archived: [] as number[], cold: [] as number[] };
  const both = [
    { to: rates.archived, month: ARCHIVED },
    { to: rates.cold, month: NEWEST },
  ];
  for (let round = 0; round < rounds; round++) {
    for (const { to, month } of inOrder(both, round)) {
      const first = monthsAgo(month);
      const range = `from=${first}T00:00:00Z&to=${first.slice(0, 8)}${String(1 + EXPORTED_DAYS).padStart(2, "0")}T00:00:00Z`;
      const path = `/api/audit/events/export?format=ndjson&${range}`;
      const { text, ms: taken } = await client.send({ method: "GET", path });
      to.push(((text.split("\n").length - 1) / taken) * MS_PER_S);
    }
  }
  return {
    measure: "export of a week",
    reference: perSecond(rates.archived),
    ours: perSecond(rates.cold),
    ratios: rates.cold.map((rate, round) => rate / (rates.archived[round] ?? Number.NaN)),
  };
}

const perSecond = (rates: number[]) => `${Math.round(median(rates)).toLocaleString("en")} events/s`;

const from = (months: number) => `${monthsAgo(NEWEST + months - 1)}T00:00:00Z`;
const searches = (months: number): Record<string, string> => {
  // Without its end the month in the archive would fill the page.
  const year = `from=${from(months)}&to=${monthsAgo(NEWEST - 1)}T00:00:00Z&limit=50`;
  const newest = `from=${monthsAgo(NEWEST)}T00:00:00Z&to=${monthsAgo(NEWEST - 1)}T00:00:00Z&limit=50`;
  const week = `from=${from(months)}&to=${monthsAgo(NEWEST + months - 1).slice(0, 8)}08T00:00:00Z&limit=50`;
  return {
    "a workspace's events of one kind": `${year}&workspaceId=ws-7&actionType=invoice.paid`,
    "a week of a workspace": `${week}&workspaceId=ws-7`,
    "a week of all workspaces": week,
    "a user's events": `${year}&actorId=user-77`,
    "a user without events": `${year}&actorId=user-nobody`,
    "a resource's events": `${year}&resourceType=invoice&resourceId=res-77`,
    "events of one kind": `${year}&actionType=invoice.paid`,
    "events of a kind that there is none of": `${year}&actionType=invoice.lost`,
    "events of kinds that there are none of": `${year}&actionType=invoice.lo*`,
    "a tag that no event has": `${year}&tag=nowhere`,
    "a text in a workspace": `${year}&workspaceId=ws-7&text=nowhere+to+be+found`,
    "a text in none of a month's events": `${newest}&text=nowhere+to+be+found`,
  };
};

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

const COLUMNS = `workspace_id, created_by_user_id, action_type, resource_type, resource_id, old_values, new_values,
  changed_fields, ip_address, user_agent, request_id, tags, metadata`;

/** Archives events of a month, so many months ago. */
async function fill(database: BenchDatabase, ago: number, rows: number): Promise<void> {
  const month = await addMonth(database, ago);
  for (let done = 0; done < rows; done += PORTION) {
    const events = makeEvents(Math.min(PORTION, rows - done), SEED + done, { workspaces: WORKSPACES });
    await database.query(
      `insert into audit.audit_events_archive (created_at, ${COLUMNS})
       select $2::timestamptz + interval '28 days' * (($3::int + n - 1) / $4::float8),
         e ->> 'workspaceId', e ->> 'createdByUserId', e ->> 'actionType', e ->> 'resourceType', e ->> 'resourceId',
         e -> 'oldValues', e -> 'newValues', '{plan,seats,updatedAt}', (e ->> 'ipAddress')::inet, e ->> 'userAgent',
         e ->> 'requestId', array(select jsonb_array_elements_text(e -> 'tags')), e -> 'metadata'
       from jsonb_array_elements($1::jsonb) with ordinality x (e, n)`,
      [JSON.stringify(events), month, done, rows],
    );
  }
  await vacuum(database, month);
}

/** The same events in another month, with ids of their own. */
async function copy(database: BenchDatabase, from: number, to: number): Promise<void> {
  const month = await addMonth(database, to);
  await database.query(
    `insert into audit.audit_events_archive (created_at, ${COLUMNS})
     select $1::timestamptz + (created_at - $2::timestamptz), ${COLUMNS}
     from audit.audit_events_archive
     where created_at >= $2::timestamptz and created_at < $2::timestamptz + interval '28 days'`,
    [month, monthsAgo(from)],
  );
  await vacuum(database, month);
}

async function addMonth(database: BenchDatabase, ago: number): Promise<string> {
  const month = monthsAgo(ago);
  await database.query("select audit.add_month_partition('audit_events_archive', $1::date)", [month]);
  return month;
}

const vacuum = (database: BenchDatabase, month: string) =>
  database.query(`vacuum analyze audit.audit_events_archive_${month.slice(0, 7).replace("-", "_")}`);

async function heapOf(database: BenchDatabase): Promise<{ table: number; total: number }> {
  const [sizes] = await database.query<{ table: number; total: number }>(
    `select sum(pg_table_size(inhrelid))::float8 as table, sum(pg_total_relation_size(inhrelid))::float8 as total
     from pg_inherits where inhparent = 'audit.audit_events_archive'::regclass`,
  );
  return sizes as { table: number; total: number };
}

async function exportAll(database: BenchDatabase, ARCHIVE_URL: string, script: string) {
  const env = {
    ...process.env,
    DATABASE_URL: database.appUrl,
    WORKER_DATABASE_URL: database.workerUrl,
    ARCHIVE_URL,
  };
  const { stdout } = await promisify(execFile)(process.execPath, [script], { cwd: root, env });
  return JSON.parse(stdout) as { longestMs: number; peakBytes: number };
}

/** The most memory that a process ever held, as Linux counts it; its memory of now elsewhere is not the same thing. */
function peakOf({ pid }: Api): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}
