import type { Api } from "./support/api-process.ts";
import { HttpClient, type ReadyRequest } from "./support/http-client.ts";
import type { Finding, Measure, Run } from "./support/measure.ts";
import { withClient, type BenchDatabase } from "./support/stage.ts";
import { median } from "./support/statistics.ts";

const FEW = 3;
const MANY = 36;
const HOT_MONTHS = 4;
const RATIO_MAX = 1.2;
const WORKSPACES = 20;
const RESOURCES = 10;
const PAGE = 10;
const WARM_UP = 20;

interface Side {
  api: Api;
  client: HttpClient;
  reads: Map<string, ReadyRequest[]>;
}

/** Every way to read events, in a log of three months and in one of 36, most of them archived. */
export const months: Measure = {
  name: "months",
  title: "Reads by months of partitions",
  run: async (run) => {
    const sides: Side[] = [];
    for (const count of [FEW, MANY]) sides.push(await openSide(run, count));
    const findings: Finding[] = [];
    for (const name of sides[0]?.reads.keys() ?? []) {
      run.stage.say(`  ${name}`);
      await alternate(sides, name, WARM_UP);
      const rounds: number[][][] = [];
      for (let round = 0; round < run.rounds; round++)
        rounds.push(await alternate(sides, name, run.sizes.reads));
      const text = (side: number) => `${median(rounds.flatMap((pair) => pair[side] ?? [])).toFixed(2)} ms`;
      findings.push({
        measure: name,
        reference: text(0),
        ours: text(1),
        ratios: rounds.map((pair) => median(pair[1] ?? []) / median(pair[0] ?? [])),
        target: { atMost: RATIO_MAX },
      });
    }
    for (const { client } of sides) await client.close();
    await run.stage.stopApis();
    return {
      findings,
      notes: [
        `Reference: a log of ${FEW} months; ours: of ${MANY}, all but the newest ${HOT_MONTHS} in the archive, with as many events a month (${run.sizes.monthRows.toLocaleString("en")}). Medians as the client sees them, one request at a time, by turns from the one and the other. The last line asks for what only the newest month has, and too little of it for a page: the other months have to be looked at, too.`,
      ],
    };
  },
};

async function openSide(run: Run, count: number): Promise<Side> {
  const database = await run.stage.database(`bench_months_${count}`, { fresh: true });
  run.stage.say(`  filling ${count} months`);
  await fill(database, count, run.sizes.monthRows);
  const api = await run.stage.api(database, "pg");
  const client = new HttpClient(api, 1);
  return { api, client, reads: await requests(database, client) };
}

async function fill(database: BenchDatabase, count: number, rows: number): Promise<void> {
  await withClient(database.superuserUrl, async (client) => {
    await client.query("set timezone = 'UTC'; set synchronous_commit = off");
    for (let back = count - 1; back >= 0; back--) {
      const month = `(date_trunc('month', now()) - interval '${back} months')`;
      await client.query(`select audit.add_month_partition('audit_events', ${month}::date)`);
      await client.query("set role audit_keeper");
      await client.query(eventsSql(month), [rows]);
      if (back === 0) await client.query(RARE);
      await client.query("reset role");
      if (back < HOT_MONTHS) continue;
      await client.query(
        "insert into audit.audit_retention_policies (workspace_id) select distinct workspace_id from audit.audit_events on conflict do nothing",
      );
      await client.query(`select audit.archive_month(${month}::date)`);
    }
  });
  await database.query("vacuum analyze audit.audit_events");
  await database.query("vacuum analyze audit.audit_events_archive");
}

// Of this month only what is past; ids hold the time of their event, as those that the service makes.
const eventsSql = (month: string) => `
  insert into audit.audit_events (
    id, created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id, old_values, new_values, metadata
  )
  select
    encode(overlay(overlay(decode(md5(at::text || n), 'hex') placing substring(int8send((extract(epoch from at) * 1000)::bigint) from 3) || '\\x70'::bytea from 1 for 7) placing '\\x80'::bytea from 9 for 1), 'hex')::uuid,
    at, 'ws-' || n % ${WORKSPACES}, 'user-' || n % 7, 'UPDATE_DOCUMENT', 'document', 'res-' || n / ${WORKSPACES} % ${RESOURCES},
    jsonb_build_object('name', 'Quarterly review ' || n), jsonb_build_object('name', 'Yearly review ' || n, 'note', md5(n::text)),
    jsonb_build_object('region', 'eu')
  from (
    select n, ${month} + (least(now(), ${month} + interval '1 month') - ${month}) * ((n - 0.5) / $1::int) as at
    from generate_series(1, $1::int) n
  ) spread`;

const RARE = `
  insert into audit.audit_events (created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id)
  select now(), 'ws-' || n % ${WORKSPACES}, 'rare', 'RARE', 'rarity', 'rare-1' from generate_series(1, ${WORKSPACES} * 2) n`;

async function requests(database: BenchDatabase, client: HttpClient): Promise<Map<string, ReadyRequest[]>> {
  const workspaces = Array.from({ length: WORKSPACES }, (_, n) => `ws-${n}`);
  const each = (more: Record<string, string>) =>
    workspaces.map((workspaceId) => get("/api/audit/events", { workspaceId, ...more }));
  const byId = async (order: string) =>
    (
      await database.query<{ id: string }>(
        `select id from audit.every_event where workspace_id like 'ws-%' order by created_at ${order}, id limit ${WORKSPACES}`,
      )
    ).map(({ id }) => get(`/api/audit/events/${id}`, {}));
  const tenth: ReadyRequest[] = [];
  for (const workspaceId of workspaces) tenth.push(await pageOf(client, workspaceId));
  const yesterday = new Date(Date.now() - 86_400_000).toISOString();
  return new Map([
    ["everything, newest 50", [get("/api/audit/events", {})]],
    ["a workspace's newest 50", each({})],
    ["a workspace's page 10", tenth],
    ["a resource's newest 50", each({ resourceType: "document", resourceId: "res-1" })],
    ["a user's newest 50 in a workspace", each({ actorId: "user-1" })],
    ["a text in a workspace, newest 50", each({ text: "yearly" })],
    ["a day of a workspace", each({ from: yesterday, limit: "10" })],
    ["an event of this month by its id", await byId("desc")],
    ["the oldest event by its id", await byId("asc")],
    [
      "an export of a day",
      workspaces.map((workspaceId) =>
        get("/api/audit/events/export", { workspaceId, format: "ndjson", from: yesterday }),
      ),
    ],
    ["a retention policy", workspaces.map((id) => get(`/api/retention/${id}`, {}))],
    ["a resource with 2 events, all of them", each({ resourceType: "rarity", resourceId: "rare-1" })],
  ]);
}

function get(path: string, query: Record<string, string>): ReadyRequest {
  const text = new URLSearchParams(query).toString();
  return { method: "GET", path: text === "" ? path : `${path}?${text}` };
}

async function pageOf(client: HttpClient, workspaceId: string): Promise<ReadyRequest> {
  let cursor = "";
  const request = () => get("/api/audit/events", { workspaceId, ...(cursor ? { cursor } : {}) });
  for (let page = 1; page < PAGE; page++) {
    cursor =
      (JSON.parse((await client.send(request())).text) as { nextCursor: string | null }).nextCursor ?? "";
  }
  return request();
}

/** Milliseconds of each answer, of either side. */
async function alternate(sides: Side[], name: string, count: number): Promise<number[][]> {
  const times: number[][] = sides.map(() => []);
  for (let i = 0; i < count; i++) {
    for (const at of i % 2 === 0 ? [0, 1] : [1, 0]) {
      const side = sides[at] as Side;
      const ready = side.reads.get(name) ?? [];
      times[at]?.push((await side.client.send(ready[i % ready.length] as ReadyRequest)).ms);
    }
  }
  return times;
}
