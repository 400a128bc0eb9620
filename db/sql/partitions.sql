-- Bounds are text in the catalog, so time zone and date style are pinned. A month that is being detached is none.
create or replace function audit.month_partitions()
returns table (table_name name, partition_name name, month_start timestamptz, month_end timestamptz)
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
  select parent.relname, child.relname, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class parent on parent.oid = i.inhparent
  join pg_catalog.pg_class child on child.oid = i.inhrelid
  cross join lateral regexp_match(
    pg_get_expr(child.relpartbound, child.oid), '^FOR VALUES FROM \(''(\d[^'']+)''\) TO \(''(\d[^'']+)''\)$'
  ) b (bounds)
  where parent.relnamespace = 'audit'::regnamespace
    and parent.relkind = 'p'
    and not i.inhdetachpending
    and b.bounds is not null
$$;
comment on function audit.month_partitions() is 'The partitions of the tables of this schema, with their bounds.';

-- Without a threshold, also a month that a few rows have left for the archive is vacuumed, which its drop waits for.
create or replace function audit.tune_month(p_name name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    'alter table audit.%I set (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0.01, '
    'autovacuum_analyze_scale_factor = 0.005)',
    p_name
  );
end
$$;
comment on function audit.tune_month(name) is 'Sets when autovacuum looks after the table of a month.';

-- Months that were made before there was no threshold.
select audit.tune_month(m.partition_name)
from audit.month_partitions() m
join pg_catalog.pg_class c on c.oid = format('audit.%I', m.partition_name)::regclass
where not coalesce(c.reloptions, '{}') @> '{autovacuum_vacuum_threshold=0}';

-- The range check lets later moves attach without a scan.
create or replace function audit.create_month_table(p_parent name, p_name name, p_from timestamptz, p_to timestamptz)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    'create table audit.%I (like audit.%I including defaults including constraints including storage, '
    'constraint %I check (created_at >= %L and created_at < %L))',
    p_name, p_parent, p_name || '_range', p_from, p_to
  );
  execute format(
    'comment on table audit.%I is %L', p_name, format('%s of %s (UTC).', p_parent, to_char(p_from, 'YYYY-MM'))
  );
  perform audit.tune_month(p_name);
end
$$;
comment on function audit.create_month_table(name, name, timestamptz, timestamptz) is
  'Makes the table of a month, not attached yet; for add_month_partition().';

-- Postgres clones row triggers to partitions but not statement triggers, and TRUNCATE of a partition asks only its own.
create or replace function audit.guard_month(p_parent name, p_name name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_parent in ('audit_events', 'audit_events_archive', 'audit_logs') then
    execute format(
      'create or replace trigger %I before update or delete or truncate on audit.%I '
      'for each statement execute function audit.refuse_event_change(%s)',
      p_parent || '_immutable_statement', p_name, case p_parent when 'audit_logs' then '''Entries of the row history''' else '' end
    );
  end if;
end
$$;
comment on function audit.guard_month(name, name) is 'Gives the table of a month the guard that is not cloned to it.';

-- Makes sure that a table partitioned by created_at has the month: a table of its name that stands alone (somebody
-- detached it) is attached again. Made as a plain table first, because CREATE TABLE … PARTITION OF waits behind open
-- inserts.
create or replace function audit.add_month_partition(p_parent name, p_month date) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '2s'
as $$
declare
  v_name constant name := p_parent || to_char(p_month, '_YYYY_MM');
  v_from constant timestamptz := date_trunc('month', p_month::timestamp);
  v_to constant timestamptz := date_trunc('month', p_month::timestamp) + interval '1 month';
  v_reason text;
begin
  if exists (
    select from audit.month_partitions() m
    where m.table_name = p_parent and m.month_start <= v_from and m.month_end >= v_to
  ) then
    return false;
  end if;

  if to_regclass(format('audit.%I', v_name)) is null then
    perform audit.create_month_table(p_parent, v_name, v_from, v_to);
  elsif not exists (
    select from pg_class c
    join pg_constraint k on k.conrelid = c.oid
    where c.oid = to_regclass(format('audit.%I', v_name))
      and c.relkind = 'r'
      and c.relpersistence = 'p'
      and k.conname = v_name || '_range'
      and k.contype = 'c'
      and k.convalidated
  ) then
    raise wrong_object_type using message = format('it is no plain table with the check %I', v_name || '_range');
  end if;

  perform audit.guard_month(p_parent, v_name);
  -- Compares columns and checks, and reads the rows where no check proves that they are of the month.
  execute format(
    'alter table audit.%I attach partition audit.%I for values from (%L) to (%L)', p_parent, v_name, v_from, v_to
  );
  -- Its place in the archive stands long before anything moves there: see add_month_for_rows().
  if p_parent = 'audit_events' then
    perform audit.add_month_partition('audit_events_archive', v_from::date);
  end if;
  return true;
exception
  when wrong_object_type or datatype_mismatch or check_violation or duplicate_object or insufficient_privilege
    or invalid_object_definition or invalid_table_definition
  then
    get stacked diagnostics v_reason = message_text;
    raise exception 'audit.% cannot become a partition of audit.%: %', quote_ident(v_name), quote_ident(p_parent), v_reason
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Mend, rename or detach what is in its way, then call audit.create_monthly_audit_partition() again.';
end
$$;
comment on function audit.add_month_partition(name, date) is
  'Gives a table partitioned by created_at the month of p_month, again if it was detached; false when it has it already.';

-- Attaching waits for no reader, so one that has just planned its statement without the month would still miss rows that come
-- into it in the same transaction. The exclusive lock waits for such readers; at most as long as others may queue behind it. For
-- their sake the server ends a session that then stands idle before its commit.
create or replace function audit.add_month_for_rows(p_parent name, p_month date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '800ms'
as $$
begin
  if not exists (
    select from audit.month_partitions() m
    where m.table_name = p_parent and m.month_start = date_trunc('month', p_month::timestamp)
  ) then
    execute format('lock table only audit.%I in access exclusive mode', p_parent);
    perform set_config('idle_in_transaction_session_timeout', '200ms', true);
    perform audit.add_month_partition(p_parent, p_month);
  end if;
end
$$;
comment on function audit.add_month_for_rows(name, date) is
  'As add_month_partition(), for a month that gets rows in the same transaction, which then has to end within 200 ms of idleness. 55P03: busy, ask again.';

create or replace function audit.create_monthly_audit_partition(p_months_ahead int default 3) returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  v_parent name;
  v_month date;
  v_added int := 0;
begin
  if p_months_ahead is null or p_months_ahead not between 0 and 24 then
    raise exception 'p_months_ahead is %, but must be from 0 to 24', coalesce(p_months_ahead::text, 'null')
      using errcode = 'invalid_parameter_value';
  end if;
  -- Two callers would race to the same name.
  perform pg_advisory_xact_lock(hashtextextended('audit.create_monthly_audit_partition', 0));
  for v_parent, v_month in
    select p.table_name, m::date
    from audit.partitioned_tables() p
    cross join generate_series(
      date_trunc('month', clock_timestamp()) - interval '1 month',
      date_trunc('month', clock_timestamp()) + make_interval(months => p_months_ahead),
      interval '1 month'
    ) m
    order by 2, 1
  loop
    v_added := v_added + audit.add_month_partition(v_parent, v_month)::int;
  end loop;
  perform audit.add_month_partition('audit_events_archive', m.month_start::date)
  from audit.month_partitions() m
  where m.table_name = 'audit_events';
  return v_added;
end
$$;
comment on function audit.create_monthly_audit_partition(int) is
  'Makes sure that every partitioned table has last month, this month and the months ahead, and attaches again what was detached; returns how many. The archive has the months of the events.';

create or replace function audit.partitioned_tables() returns table (table_name name)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select c.relname
  from pg_catalog.pg_partitioned_table p
  join pg_catalog.pg_class c on c.oid = p.partrelid
  where c.relnamespace = 'audit'::regnamespace
$$;
comment on function audit.partitioned_tables() is 'The tables of this schema that need a partition for each month ahead.';

-- The first month missing is this one or begins where a partition ends. In UTC without a zone: a month added to a
-- timestamptz is one of the session's time zone.
create or replace view audit.partition_schedule as
with months as (
  select
    m.table_name,
    m.partition_name,
    m.month_start at time zone 'UTC' as starts,
    m.month_end at time zone 'UTC' as ends
  from audit.month_partitions() m
),
clock as (
  select now() at time zone 'UTC' as time, date_trunc('month', now() at time zone 'UTC') as month
),
missing as (
  select p.table_name, min(s.month) as month
  from audit.partitioned_tables() p
  cross join clock
  cross join lateral (
    select clock.month
    union all
    select m.ends
    from months m
    where m.table_name = p.table_name and m.ends > clock.month
  ) s
  where not exists (
    select from months m
    where m.table_name = p.table_name and m.starts <= s.month and m.ends >= s.month + interval '1 month'
  )
  group by p.table_name
)
select
  f.table_name,
  count(m.partition_name)::int as partition_count,
  max(m.partition_name::text) as newest_partition,
  f.month at time zone 'UTC' as next_partition_date,
  greatest(
    0, (extract(year from age(f.month, clock.month)) * 12 + extract(month from age(f.month, clock.month)))::int - 1
  ) as months_ahead,
  coalesce(bool_or(m.starts <= clock.time and clock.time < m.ends), false) as covers_now
from missing f
cross join clock
left join months m on m.table_name = f.table_name
group by f.table_name, f.month, clock.month;
comment on view audit.partition_schedule is
  'Per partitioned table: its newest month, the first one missing from now on, how many whole months after this one it has without a gap, and whether it has this moment.';
