-- When a month moves whole, and what moves alone. A month that create_monthly_audit_partition() would make again stays.
-- Each workspace's own retention is asked when this runs. `stays_until` is the first moment at which nothing holds the month
-- any more: the last workspace's time, or the last pin's.
create or replace function audit.hot_months(p_month timestamptz default null)
returns table (
  partition_name name, month_start timestamptz, month_end timestamptz, is_old boolean, stays_until timestamptz
)
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select
    m.partition_name, m.month_start, m.month_end,
    m.month_start < date_trunc('month', now()) - interval '1 month',
    greatest(
      (
        select max(m.month_end + make_interval(days => p.hot_retention_days))
        from audit.audit_retention_policies p
        cross join lateral (
          -- LIMIT keeps this a probe of the index per workspace.
          select from audit.audit_events e
          where e.workspace_id = p.workspace_id
            and e.created_at >= greatest(m.month_start, now() - make_interval(days => p.hot_retention_days))
            and e.created_at < m.month_end
          limit 1
        ) hot
        where m.month_end > now() - make_interval(days => p.hot_retention_days)
      ),
      (
        select max(k.pinned_until)
        from audit.audit_archive_pins k
        where k.event_created_at >= m.month_start and k.event_created_at < m.month_end and k.pinned_until > now()
      )
    )
  from audit.month_partitions() m
  where m.table_name = 'audit_events' and m.month_start < now() and (p_month is null or m.month_start = p_month)
$$;
comment on function audit.hot_months(timestamptz) is
  'Months of audit_events up to now, or one of them, and until when something in them is to stay hot; null when nothing is.';

-- One probe of the index per workspace: most months have far more events than workspaces. A thousand new policies at most, each
-- of which takes a lock; the others come with the next run.
create or replace function audit.ensure_policies_of_month(p_from timestamptz, p_to timestamptz) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  with recursive seen (workspace_id) as (
    (
      select e.workspace_id from audit.audit_events e
      where e.created_at >= p_from and e.created_at < p_to
      order by e.workspace_id
      limit 1
    )
    union all
    select n.workspace_id
    from seen s
    cross join lateral (
      select e.workspace_id from audit.audit_events e
      where e.created_at >= p_from and e.created_at < p_to and e.workspace_id > s.workspace_id
      order by e.workspace_id
      limit 1
    ) n
  )
  insert into audit.audit_retention_policies (workspace_id)
  select s.workspace_id from seen s
  where not exists (select from audit.audit_retention_policies p where p.workspace_id = s.workspace_id)
  order by 1
  limit 1000
  on conflict do nothing
$$;
comment on function audit.ensure_policies_of_month(timestamptz, timestamptz) is
  'Gives every workspace with hot events in a month the default policy if it has none.';

-- What is due in a month that does not move yet: rows go alone where they are few, or where the month is held up for longer
-- than its own length. Many whose month moves within 31 days wait for it: the same move would cost a thousand times as much.
create or replace function audit.archive_plan(p_rows_alone int default 10000)
returns table (month date, kind text, merge text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  c_patience constant interval := '31 days';
  v_month record;
  v_due int;
  v_hot bigint;
  v_archived bigint;
begin
  if p_rows_alone is null or p_rows_alone not between 0 and 1000000 then
    raise exception 'p_rows_alone is %, but must be from 0 to 1000000', coalesce(p_rows_alone::text, 'null')
      using errcode = 'invalid_parameter_value';
  end if;
  perform audit.ensure_policies_of_month(m.month_start, m.month_end) from audit.hot_months() m;
  for v_month in select * from audit.hot_months() m order by m.month_start loop
    if v_month.is_old and v_month.stays_until is null then
      month := v_month.month_start::date;
      kind := 'month';
      merge := null;
      if exists (
        select from audit.audit_events_archive a
        where a.created_at >= v_month.month_start and a.created_at < v_month.month_end
      ) then
        select count(*) into v_hot from audit.audit_events e
        where e.created_at >= v_month.month_start and e.created_at < v_month.month_end;
        select count(*) into v_archived from audit.audit_events_archive a
        where a.created_at >= v_month.month_start and a.created_at < v_month.month_end;
        merge := case when v_hot <= v_archived then 'to_archive' else 'to_hot' end;
      end if;
      return next;
      continue;
    end if;
    select count(*) into v_due
    from (
      select from audit.audit_retention_policies p
      cross join lateral (
        select from audit.audit_events e
        where e.workspace_id = p.workspace_id
          and e.created_at >= v_month.month_start
          and e.created_at < least(v_month.month_end, now() - make_interval(days => p.hot_retention_days))
          and not exists (
            select from audit.audit_archive_pins k
            where k.event_created_at = e.created_at and k.event_id = e.id and k.pinned_until > now()
          )
        limit p_rows_alone + 1
      ) due
      where v_month.month_start < now() - make_interval(days => p.hot_retention_days)
      limit p_rows_alone + 1
    ) d;
    if v_due > 0
      and (v_due <= p_rows_alone or not v_month.is_old and v_month.stays_until is null
        or v_month.stays_until > now() + c_patience)
    then
      month := v_month.month_start::date;
      kind := 'rows';
      merge := null;
      return next;
    end if;
  end loop;
end
$$;
comment on function audit.archive_plan(int) is
  'What is due for the archive: months that move whole (and which side is merged into which first), and months of which rows move alone.';

