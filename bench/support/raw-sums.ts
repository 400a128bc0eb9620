import type pg from "pg";
import type { TrailSpan, TrailSumsRow } from "../../db/queries/trail-analytics.ts";

/** What analytics sums, over the rows themselves: written for them, as somebody without a roll-up would. */
export async function rawSums(
  client: pg.Client,
  { projectId, zone, from, to }: TrailSpan,
): Promise<TrailSumsRow[]> {
  const { rows } = await client.query<TrailSumsRow>(
    `
    with each as materialized (
      select
        (t."timestamp" at time zone $2)::date as day, t.model, count(*) as messages,
        count(*) filter (where t.status = 'complete') as complete,
        count(*) filter (where t.status = 'complete' and t.total_cost is null) as unpriced,
        sum(t.total_tokens) as tokens, coalesce(sum(t.total_cost), 0) as cost
      from audit.audit_trails t
      where t.project_id = $1 and t."timestamp" >= $3 and t."timestamp" < $4
      group by 1, 2
    ),
    summed as (
      select
        day, model, sum(messages) as messages, sum(complete) as complete, sum(unpriced) as unpriced, sum(tokens) as tokens,
        sum(cost) as cost
      from each
      group by grouping sets ((), (day), (model))
    ),
    priced as (
      select *, case when unpriced > 0 and unpriced = complete and cost = 0 then null else cost end as known_cost
      from summed
    )
    select
      day::text, model, messages::float8 as "messageCount", tokens::float8 as "totalTokens",
      known_cost::float8 as "totalCost", (known_cost / nullif(messages - unpriced, 0))::float8 as "averageCost",
      unpriced::float8 as "unpricedCount"
    from priced
    order by day nulls first, model is not null, cost desc, messages desc, model`,
    [projectId, zone, from, to],
  );
  return rows;
}
