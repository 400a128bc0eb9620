import type { TrailSpan } from "../../db/queries/trail-analytics.ts";
import { inChunks } from "./fill.ts";
import type { BenchDatabase, Stage } from "./stage.ts";

export const PROJECT = "proj-bench";
export const ZONE = "America/St_Johns";
export const DAYS = 90;
export const MODELS = 4;
const DUE_HOURS = 1;
const SECONDS = DAYS * 86_400;

const TRAILS = `
  insert into audit.audit_trails (
    project_id, message_id, status, "timestamp", model, reasoning, context_layers, prompt_tokens, completion_tokens,
    total_tokens, cached_tokens, prompt_cost, completion_cost, total_cost, latency_ms, completed_at, rollup_due
  )
  select
    '${PROJECT}', 'msg-' || n, 'complete', at, 'model-' || n % ${MODELS}, jsonb_build_array('The context holds the answer.', md5(n::text)),
    3, n % 4000, n % 900, n % 4000 + n % 900, n % 700, n % 4000 * 0.000003, n % 900 * 0.000015,
    case when n % 97 > 0 then n % 4000 * 0.000003 + n % 900 * 0.000015 end, n % 9000, at,
    at > clock_timestamp() - interval '${DUE_HOURS} hour'
  from (
    select n, clock_timestamp() - make_interval(secs => ${SECONDS}.0 * (1 - n / $3::float8)) as at
    from generate_series($1::bigint, $2::bigint) n
  ) spread`;

const ROLLED_UP = `
  insert into audit.audit_trail_rollup (
    project_id, bucket_start, model, message_count, complete_count, failed_count, unpriced_count, prompt_tokens,
    completion_tokens, total_tokens, cached_tokens, reasoning_tokens, prompt_cost, completion_cost, total_cost
  )
  select
    t.project_id, w.bucket_start, w.model, sum(w.message_count), sum(w.complete_count), sum(w.failed_count),
    sum(w.unpriced_count), sum(w.prompt_tokens), sum(w.completion_tokens), sum(w.total_tokens), sum(w.cached_tokens),
    sum(w.reasoning_tokens), sum(w.prompt_cost), sum(w.completion_cost), sum(w.total_cost)
  from audit.audit_trails t
  cross join lateral audit.trail_worth(t) w
  where not t.rollup_due
  group by 1, 2, 3`;

/** A project's trails over 90 days, rolled up but for the last hour; those of an earlier run if they are whole. */
export async function trailDatabase(
  stage: Stage,
  trails: number,
): Promise<{ database: BenchDatabase; span: TrailSpan }> {
  const name = `bench_trails_${trails}`;
  const kept = await stage.database(name, { fresh: false });
  if ((await countTrails(kept)) === trails) return { database: kept, span: await spanOf(kept) };
  const database = await stage.database(name, { fresh: true });
  const started = performance.now();
  await database.query("insert into audit.projects (project_id, created_by_user_id) values ($1, 'bench')", [
    PROJECT,
  ]);
  await inChunks(database, TRAILS, trails, (done) =>
    stage.say(`  ${done.toLocaleString("en")} of ${trails.toLocaleString("en")} trails`),
  );
  await database.query(ROLLED_UP);
  await database.query("vacuum analyze audit.audit_trails");
  await database.query("vacuum analyze audit.audit_trail_rollup");
  if ((await countTrails(database)) !== trails) throw new Error(`${name} does not hold ${trails} trails`);
  stage.say(`  filled ${name} in ${Math.round((performance.now() - started) / 1_000)} s`);
  return { database, span: await spanOf(database) };
}

/** What the roll-up and the rest sum to: half a fill has no roll-up. */
async function countTrails(database: BenchDatabase): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    "select coalesce(sum(message_count), 0)::int as count from audit.trail_totals where project_id = $1 and exists (select from audit.audit_trail_rollup)",
    [PROJECT],
  );
  return row?.count ?? 0;
}

async function spanOf(database: BenchDatabase): Promise<TrailSpan> {
  const [row] = await database.query<{ from: Date; to: Date }>(
    `select audit.day_begins(t.last - ${DAYS}, $1) as from, audit.day_begins(t.last + 1, $1) as to
     from (select (max("timestamp") at time zone $1)::date as last from audit.audit_trails) t`,
    [ZONE],
  );
  if (!row) throw new Error("there are no trails");
  return { projectId: PROJECT, zone: ZONE, from: row.from.toISOString(), to: row.to.toISOString() };
}
