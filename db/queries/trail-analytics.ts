import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

/** A day of the zone (YYYY-MM-DD), which stands for its first moment, or a moment on a quarter of an hour. */
export type Moment = string | Date;

/** Moments as Postgres' text; `days` are the local days that they span. */
interface TimeRange {
  from: string;
  to: string;
  days: number;
}

/**
 * From the first moment to before the last, in a time zone; without `to` until the end of today, without `from` the
 * `daysBack` days before. Postgres answers 22023 for a zone that it does not know.
 */
export async function resolveRange(
  db: Db,
  {
    from,
    to,
    zone,
    daysBack,
  }: { from?: Moment | undefined; to?: Moment | undefined; zone: string; daysBack: number },
): Promise<TimeRange> {
  const moment = (at: Moment) =>
    at instanceof Date ? sql`${at.toISOString()}::timestamptz` : sql`audit.day_begins(${at}::date, ${zone})`;
  const end =
    to === undefined ? sql`audit.day_begins((now() at time zone ${zone})::date + 1, ${zone})` : moment(to);
  const start =
    from === undefined
      ? sql`audit.day_begins(((e.at - interval '1 microsecond') at time zone ${zone})::date + 1 - ${daysBack}::int, ${zone})`
      : moment(from);
  const [range] = await rows<TimeRange>(
    db,
    sql`
    select b.at::text as "from", e.at::text as "to", (e.at at time zone ${zone})::date - (b.at at time zone ${zone})::date as days
    from (select ${end} as at) e
    cross join lateral (select ${start} as at) b`,
  );
  return range as TimeRange;
}

interface TrailSums {
  messageCount: number;
  totalTokens: number;
  /** Money as the nearest double; null when no complete message has a price. */
  totalCost: number | null;
  /** Per message that is not unpriced; 0 without any message, null when totalCost is. */
  averageCost: number | null;
  unpricedCount: number;
}

/** The sums of a day, of a model, or of everything (neither is set). */
export interface TrailSumsRow extends TrailSums {
  day: string | null;
  model: string | null;
}

export interface TrailSpan extends Pick<TimeRange, "from" | "to"> {
  projectId: string;
  zone: string;
}

// Rows of a model that moved to another leave buckets of nothing behind.
const byDayAndModel = ({ projectId, from, to, zone }: TrailSpan, columns: readonly string[]): SQL => sql`
  select
    (t.bucket_start at time zone ${zone})::date as day, t.model, sum(t.message_count) as message_count,
    ${sql.raw(columns.map((name) => `sum(t.${name}) as ${name}`).join(", "))}
  from audit.trail_totals t
  where t.project_id = ${projectId}
    and t.bucket_start >= ${from}::timestamptz
    and t.bucket_start < ${to}::timestamptz
  group by 1, 2
  having sum(t.message_count) > 0`;

// Messages are complete, none of them has a cost, and no failed one has: then the sum of money is unknown, which is not 0.
const isUnpriced = sql.raw("(unpriced_count > 0 and unpriced_count = complete_count and total_cost = 0)");

/**
 * The sums of a project's messages: of everything, which is always there, by day, and by model (the dearest first,
 * `modelsMax` at most).
 */
export async function sumTrails(db: Db, span: TrailSpan, modelsMax: number): Promise<TrailSumsRow[]> {
  return rows<TrailSumsRow>(
    db,
    sql`
    with each as materialized (
      ${byDayAndModel(span, ["complete_count", "unpriced_count", "total_tokens", "total_cost"])}
    ),
    summed as (
      select
        day, model, coalesce(sum(message_count), 0) as message_count, coalesce(sum(complete_count), 0) as complete_count,
        coalesce(sum(unpriced_count), 0) as unpriced_count, coalesce(sum(total_tokens), 0) as total_tokens,
        coalesce(sum(total_cost), 0) as total_cost
      from each
      group by grouping sets ((), (day), (model))
    ),
    priced as (
      select
        *, case when ${isUnpriced} then null else total_cost end as known_cost,
        row_number() over (partition by day, model is null order by total_cost desc, message_count desc, model) as place
      from summed
    )
    select
      day::text, model, message_count::float8 as "messageCount", total_tokens::float8 as "totalTokens",
      known_cost::float8 as "totalCost",
      case when message_count = 0 then 0 else known_cost / nullif(message_count - unpriced_count, 0) end::float8
        as "averageCost",
      unpriced_count::float8 as "unpricedCount"
    from priced
    where place <= ${modelsMax}
    order by day nulls first, model is not null, place`,
  );
}

const COUNTS = [
  "complete_count",
  "failed_count",
  "unpriced_count",
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "cached_tokens",
  "reasoning_tokens",
] as const;
const MONEY = ["prompt_cost", "completion_cost", "total_cost"] as const;

/** Day, model and every amount as text with all its digits; money is null where sumTrails says null. */
export type TrailDay = Record<"day" | "model" | "message_count" | (typeof COUNTS)[number], string> &
  Record<(typeof MONEY)[number], string | null>;

/** The sums of each day and model, `limit` at most, in order of both. */
export async function listTrailDays(db: Db, span: TrailSpan, limit: number): Promise<TrailDay[]> {
  return rows<TrailDay>(
    db,
    sql`
    select
      day::text, model, message_count::text, ${sql.raw(COUNTS.map((name) => `${name}::text`).join(", "))},
      ${sql.join(
        MONEY.map((name) => {
          const amount = sql.raw(name);
          return sql`case when ${isUnpriced} then null else trim_scale(${amount})::text end as ${amount}`;
        }),
        sql`, `,
      )}
    from (${byDayAndModel(span, [...COUNTS, ...MONEY])}) each
    order by day, model
    limit ${limit}`,
  );
}

export interface UnpricedModel {
  model: string;
  messageCount: number;
  /** In which projects, ten at most. */
  projectIds: string[];
}

const PROJECTS_NAMED_MAX = 10;

/**
 * Models whose newest answers, project by project, have no price, within the last `hours` of the roll-up: how many, and
 * `limit` of them at most, those among `first` first, else by name. Priced answers after unpriced ones end it for their
 * project.
 */
export async function findUnpricedModels(
  db: Db,
  { hours, first, limit }: { hours: number; first: readonly string[]; limit: number },
): Promise<{ modelCount: number; models: UnpricedModel[] }> {
  // A volatile clock would keep it from the index.
  const recent = sql`r.bucket_start >= statement_timestamp() - make_interval(hours => ${hours}::int)`;
  const found = await rows<UnpricedModel & { modelCount: number }>(
    db,
    sql`
    with unpriced as (
      select r.project_id, r.model, sum(r.unpriced_count) as messages
      from audit.audit_trail_rollup r
      where ${recent} and r.unpriced_count > 0
      group by r.project_id, r.model
    )
    select
      u.model, sum(u.messages)::float8 as "messageCount",
      (array_agg(u.project_id order by u.messages desc, u.project_id))[1:${PROJECTS_NAMED_MAX}::int] as "projectIds",
      (count(*) over ())::float8 as "modelCount"
    from unpriced u
    join audit.projects p on p.project_id = u.project_id and p.deleted_at is null
    cross join lateral (
      select r.unpriced_count
      from audit.audit_trail_rollup r
      where r.project_id = u.project_id and r.model = u.model and ${recent} and r.complete_count > 0
      order by r.bucket_start desc
      limit 1
    ) newest
    where newest.unpriced_count > 0
    group by u.model
    order by ${JSON.stringify(first)}::jsonb ? u.model desc, u.model
    limit ${limit}`,
  );
  const models = found.map(({ modelCount: _, ...model }) => model);
  return { modelCount: found[0]?.modelCount ?? 0, models };
}
