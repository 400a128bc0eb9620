-- One statement sees the roll-up and what it has not counted yet at one moment, so a trail is in the sums once, however late
-- it was completed and whatever the roll-up does meanwhile.
create or replace view audit.trail_totals as
select
  r.project_id, r.bucket_start, r.model, r.message_count, r.complete_count, r.failed_count, r.unpriced_count, r.prompt_tokens,
  r.completion_tokens, r.total_tokens, r.cached_tokens, r.reasoning_tokens, r.prompt_cost, r.completion_cost, r.total_cost
from audit.audit_trail_rollup r
union all
select
  t.project_id, w.bucket_start, w.model, w.message_count, w.complete_count, w.failed_count, w.unpriced_count, w.prompt_tokens,
  w.completion_tokens, w.total_tokens, w.cached_tokens, w.reasoning_tokens, w.prompt_cost, w.completion_cost, w.total_cost
from audit.audit_trails t
cross join lateral audit.trail_worth(t) w
where t.rollup_due
union all
select
  t.project_id, c.bucket_start, c.model, -c.message_count, -c.complete_count, -c.failed_count, -c.unpriced_count,
  -c.prompt_tokens, -c.completion_tokens, -c.total_tokens, -c.cached_tokens, -c.reasoning_tokens, -c.prompt_cost,
  -c.completion_cost, -c.total_cost
from audit.audit_trails t
cross join lateral jsonb_populate_record(null::audit.audit_trail_rollup, t.counted) c
where t.rollup_due and t.counted is not null;
comment on view audit.trail_totals is
  'Totals per 15 minutes (UTC), project and model, as they are now: the roll-up, and of each trail that changed since the difference. Sum over it.';

-- Clocks change at quarters of an hour, by quarters (all since 2012, but for a station in Antarctica), so a bucket lies within one
-- local day. Looked for, not converted: the midnight at which a day begins may come twice, or not at all.
create or replace function audit.day_begins(p_day date, p_zone text) returns timestamptz
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select min(q.at)
  from generate_series(0, 3 * 96 - 1) n
  cross join lateral (select (p_day - 1)::timestamp at time zone 'UTC' + n * interval '15 minutes' as at) q
  where (q.at at time zone p_zone)::date >= p_day
);
comment on function audit.day_begins(date, text) is
  'The first quarter of an hour of a day in a time zone; of the next day where the zone left this one out.';
