import { withClient, type BenchDatabase, type Stage } from "./stage.ts";

/** A year of events, spread over what has a time of its own for each of them. */
const MONTHS = 12;
const CHUNK_ROWS = 100_000;
const WORKERS = 2;
const SECONDS_PER_YEAR = 365 * 86_400;

/** Larger logs have more tenants with more things each, not one thing with a longer history. */
interface Spread {
  workspaces: number;
  resources: number;
  projects: number;
}

const spreadOf = (rows: number): Spread => {
  const factor = Math.sqrt(rows / 100_000);
  return {
    workspaces: Math.ceil(50 * factor),
    resources: Math.ceil(200 * factor),
    projects: Math.ceil(20 * factor),
  };
};

// A number in [0, 1) that follows from the row's own and a salt.
const chance = (salt: number) => `((hashint8extended(n, ${salt}) & 16777215) / 16777216.0)`;

/**
 * Events as a year leaves them: in order of time, some workspaces and resources much busier than others. Written as the
 * keeper, whom alone the guards let write in the past; it may not choose `txid`, nor change what stands.
 */
const eventsSql = ({ workspaces, resources }: Spread) => `
  insert into audit.audit_events (
    id, created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id, old_values, new_values,
    changed_fields, ip_address, user_agent, request_id, tags, metadata
  )
  select
    encode(overlay(decode(md5(n::text), 'hex') placing substring(int8send((extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6), 'hex')::uuid,
    at,
    'ws-' || w,
    'user-' || floor(2000 * ${chance(3)})::int,
    (array['UPDATE_DOCUMENT', 'invoice.paid', 'MEMBER_INVITED', 'UPDATE_WORKSPACE', 'assessment.scored'])[1 + n % 5],
    (array['document', 'invoice', 'member', 'workspace', 'assessment'])[1 + r % 5],
    'res-' || r,
    jsonb_build_object('name', 'Quarterly review ' || n % 997, 'plan', 'free', 'seats', n % 500, 'summary', 'Draft ' || md5(n::text) || ' with notes ' || md5(w::text)),
    jsonb_build_object('name', 'Quarterly review ' || n % 997, 'plan', 'team', 'seats', n % 499, 'summary', 'Draft ' || md5(n::text) || ' with notes ' || md5(r::text)),
    array['plan', 'seats', 'summary'],
    ('10.1.' || n % 256 || '.' || n % 251)::inet,
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36',
    'req-' || n,
    array['bench', 'fill'],
    jsonb_build_object('region', 'eu', 'build', n % 900, 'traceId', md5((n + 1)::text))
  from (
    select
      n,
      clock_timestamp() - make_interval(secs => 3600 + ${SECONDS_PER_YEAR}.0 * (1 - n / $3::float8) * ${MONTHS - 1} / ${MONTHS}) as at,
      floor(${workspaces} * power(${chance(1)}, 2))::int as w,
      floor(${resources} * power(${chance(2)}, 3))::int as r
    from generate_series($1::bigint, $2::bigint) n
  ) spread`;

const trailsSql = ({ projects }: Spread) => `
  insert into audit.audit_trails (
    project_id, message_id, status, "timestamp", model, reasoning, context_layers, prompt_tokens, completion_tokens,
    total_tokens, prompt_cost, completion_cost, total_cost, latency_ms, completed_at, rollup_due
  )
  select
    'proj-' || floor(${projects} * ${chance(4)})::int, 'msg-' || n, 'complete', at, 'model-' || n % 7,
    jsonb_build_array('The context holds the answer.', md5(n::text)), 3, n % 4000, n % 900, n % 4000 + n % 900,
    0.0003, 0.00075, 0.00105, n % 9000, at, false
  from (
    select n, clock_timestamp() - make_interval(secs => 604800 * (1 - n / $3::float8)) as at
    from generate_series($1::bigint, $2::bigint) n
  ) spread`;

/** A database with this many events, and as many trails; the one of an earlier run if it is whole. */
export async function filledDatabase(stage: Stage, name: string, rows: number): Promise<BenchDatabase> {
  const kept = await stage.database(name, { fresh: false });
  if (await isFilled(kept, rows)) return kept;
  const database = await stage.database(name, { fresh: true });
  const started = performance.now();
  const spread = spreadOf(rows);
  await prepare(database, spread);
  await inChunks(database, eventsSql(spread), rows, (done) =>
    stage.say(`  ${done.toLocaleString("en")} of ${rows.toLocaleString("en")} events`),
  );
  await inChunks(database, trailsSql(spread), rows, (done) =>
    stage.say(`  ${done.toLocaleString("en")} of ${rows.toLocaleString("en")} trails`),
  );
  await database.query("vacuum analyze audit.audit_events");
  await database.query("vacuum analyze audit.audit_trails");
  await verify(database, rows);
  await database.query(`create table public.bench_fill as select ${rows} as rows`);
  stage.say(`  filled ${name} in ${Math.round((performance.now() - started) / 1_000)} s`);
  return database;
}

async function isFilled(database: BenchDatabase, rows: number): Promise<boolean> {
  const [table] = await database.query<{ there: boolean }>(
    "select to_regclass('public.bench_fill') is not null as there",
  );
  if (!table?.there) return false;
  const [fill] = await database.query<{ rows: number }>("select rows from public.bench_fill");
  return fill?.rows === rows;
}

async function prepare(database: BenchDatabase, { projects }: Spread): Promise<void> {
  await database.query(
    `select audit.add_month_partition('audit_events', (date_trunc('month', now()) - make_interval(months => m))::date)
     from generate_series(0, $1::int) m`,
    [MONTHS],
  );
  await database.query(
    "insert into audit.projects (project_id, created_by_user_id) select 'proj-' || n, 'bench' from generate_series(0, $1::int) n",
    [projects],
  );
}

/** Runs a statement of $1 to $2 of $3 rows over all of them, by two connections. */
export async function inChunks(
  database: BenchDatabase,
  text: string,
  rows: number,
  onChunk: (done: number) => void,
): Promise<void> {
  let next = 0;
  let done = 0;
  const work = () =>
    withClient(database.superuserUrl, async (client) => {
      await client.query("set synchronous_commit = off; set timezone = 'UTC'");
      if (text.includes("audit.audit_events")) await client.query("set role audit_keeper");
      while (next < rows) {
        const from = next + 1;
        const to = Math.min(next + CHUNK_ROWS, rows);
        next = to;
        await client.query(text, [from, to, rows]);
        done += to - from + 1;
        if (done % (CHUNK_ROWS * 10) === 0) onChunk(done);
      }
    });
  await Promise.all(Array.from({ length: WORKERS }, work));
}

async function verify(database: BenchDatabase, rows: number): Promise<void> {
  const [counts] = await database.query<{ events: number; trails: number }>(
    "select (select count(*) from audit.audit_events where 'fill' = any (tags))::int as events, (select count(*) from audit.audit_trails)::int as trails",
  );
  if (counts?.events !== rows || counts.trails !== rows)
    throw new Error(`${database.name} holds ${JSON.stringify(counts)} instead of ${rows} each`);
}
