-- role: audit_keeper
-- Without SET the planner sees through it.
create or replace function audit.trail_worth(t audit.audit_trails) returns table (
  bucket_start timestamptz, model text, message_count int, complete_count int, failed_count int, unpriced_count int,
  prompt_tokens int, completion_tokens int, total_tokens int, cached_tokens int, reasoning_tokens int,
  prompt_cost numeric, completion_cost numeric, total_cost numeric
)
language sql stable parallel safe
as $$
  select
    pg_catalog.date_bin('15 minutes', t.timestamp, pg_catalog.timestamptz '2000-01-01 00:00:00+00'), t.model, 1,
    (t.status = 'complete')::pg_catalog.int4, (t.status = 'failed')::pg_catalog.int4,
    (t.status = 'complete' and t.total_cost is null)::pg_catalog.int4, coalesce(t.prompt_tokens, 0),
    coalesce(t.completion_tokens, 0), coalesce(t.total_tokens, 0), coalesce(t.cached_tokens, 0),
    coalesce(t.reasoning_tokens, 0), coalesce(t.prompt_cost, 0), coalesce(t.completion_cost, 0), coalesce(t.total_cost, 0)
$$;
comment on function audit.trail_worth(audit.audit_trails) is
  'What one message trail adds to the roll-up: its bucket, model and amounts.';

create or replace function audit.trail_contribution(t audit.audit_trails) returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select to_jsonb(w) from audit.trail_worth(t) w
$$;
comment on function audit.trail_contribution(audit.audit_trails) is
  'The same as an object: what a trail keeps as counted.';

-- Adds, for each changed trail of a closed bucket, what it is worth now minus what was counted of it before. So a trail
-- may change or arrive at any time, and a bucket stays right after its trails are deleted.
create or replace function audit.roll_up_trails(p_limit int default 5000) returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rolled_up int;
begin
  with due as materialized (
    select t.project_id, t.message_id, t.counted as before, audit.trail_contribution(t) as after
    from audit.audit_trails t
    where t.rollup_due
      and t.timestamp < date_bin('15 minutes', clock_timestamp(), timestamptz '2000-01-01 00:00:00+00')
    order by t.timestamp
    limit p_limit
    for update skip locked
  ),
  differences as (
    select r.*, s.sign
    from due
    cross join lateral (values (due.before, -1), (due.after, 1)) s (contribution, sign)
    cross join lateral jsonb_populate_record(
      null::audit.audit_trail_rollup, s.contribution || jsonb_build_object('project_id', due.project_id)
    ) r
    where s.contribution is not null
  ),
  summed as (
    insert into audit.audit_trail_rollup as b (
      project_id, bucket_start, model, message_count, complete_count, failed_count, unpriced_count, prompt_tokens,
      completion_tokens, total_tokens, cached_tokens, reasoning_tokens, prompt_cost, completion_cost, total_cost
    )
    select
      project_id, bucket_start, model, sum(sign * message_count), sum(sign * complete_count), sum(sign * failed_count),
      sum(sign * unpriced_count), sum(sign * prompt_tokens), sum(sign * completion_tokens), sum(sign * total_tokens),
      sum(sign * cached_tokens), sum(sign * reasoning_tokens), sum(sign * prompt_cost), sum(sign * completion_cost),
      sum(sign * total_cost)
    from differences
    group by project_id, bucket_start, model
    order by project_id, bucket_start, model
    on conflict (project_id, bucket_start, model) do update set
      message_count = b.message_count + excluded.message_count,
      complete_count = b.complete_count + excluded.complete_count,
      failed_count = b.failed_count + excluded.failed_count,
      unpriced_count = b.unpriced_count + excluded.unpriced_count,
      prompt_tokens = b.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = b.completion_tokens + excluded.completion_tokens,
      total_tokens = b.total_tokens + excluded.total_tokens,
      cached_tokens = b.cached_tokens + excluded.cached_tokens,
      reasoning_tokens = b.reasoning_tokens + excluded.reasoning_tokens,
      prompt_cost = b.prompt_cost + excluded.prompt_cost,
      completion_cost = b.completion_cost + excluded.completion_cost,
      total_cost = b.total_cost + excluded.total_cost
  )
  update audit.audit_trails t
  set counted = due.after,
      rollup_due = false
  from due
  where t.project_id = due.project_id and t.message_id = due.message_id;
  get diagnostics v_rolled_up = row_count;
  return v_rolled_up;
end
$$;
comment on function audit.roll_up_trails(int) is
  'Counts up to p_limit new or changed trails of closed 15-minute buckets; returns how many.';

-- A hold names a trail by its message, or a project and with it all of its trails; neither has a workspace.
-- Project by project, and by an index on just this condition, so that a run reads nothing that is not due yet: a volatile clock
-- would keep it from the index.
create or replace function audit.delete_due_trails(p_limit int default 1000) returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted int;
begin
  perform audit.lock_holds();
  with due as materialized (
    select d.project_id, d.message_id
    from audit.projects p
    cross join lateral (
      select o.project_id, o.message_id
      from audit.audit_trails o
      where o.project_id = p.project_id
        and greatest(o.timestamp, o.imported_at) < statement_timestamp() - make_interval(days => p.trail_retention_days)
        and not o.rollup_due
        and not exists (select from audit.deletion_stops(null, 'trail', o.message_id, null, true))
      order by greatest(o.timestamp, o.imported_at)
      limit p_limit
      for update skip locked
    ) d
    where not exists (select from audit.deletion_stops(null, 'project', p.project_id, null, true))
    limit p_limit
  )
  delete from audit.audit_trails t
  using due
  where t.project_id = due.project_id and t.message_id = due.message_id;
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$$;
comment on function audit.delete_due_trails(int) is
  'Deletes up to p_limit trails past their project''s retention, which counts from the import of what was imported, never one that is held or not rolled up; returns how many.';

create or replace function audit.delete_trails_of_deleted_projects(p_limit int default 1000) returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted int;
begin
  perform audit.lock_holds();
  with due as materialized (
    select d.project_id, d.message_id
    from audit.projects p
    cross join lateral (
      select o.project_id, o.message_id
      from audit.audit_trails o
      where o.project_id = p.project_id
        and not exists (select from audit.deletion_stops(null, 'trail', o.message_id, null, true))
      limit p_limit
      for update skip locked
    ) d
    where p.deleted_at is not null
      and not exists (select from audit.deletion_stops(null, 'project', p.project_id, null, true))
    limit p_limit
  )
  delete from audit.audit_trails t
  using due
  where t.project_id = due.project_id and t.message_id = due.message_id;
  get diagnostics v_deleted = row_count;
  if v_deleted = 0 then
    delete from audit.projects p
    where p.deleted_at is not null
      and not exists (select from audit.deletion_stops(null, 'project', p.project_id, null, true))
      and not exists (select from audit.audit_trails t where t.project_id = p.project_id);
  end if;
  return v_deleted;
end
$$;
comment on function audit.delete_trails_of_deleted_projects(int) is
  'Deletes up to p_limit trails of deleted projects, but not what is held, and the projects once nothing is left of them; returns how many trails.';
