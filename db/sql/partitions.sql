-- Adds one month to a table that is partitioned by created_at. Made as a plain table and then attached, because
-- CREATE TABLE … PARTITION OF waits behind open inserts; the range check lets later moves attach without a scan.
create or replace function audit.add_month_partition(p_parent name, p_month date) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '2s'
as $$
declare
  v_name constant text := p_parent || to_char(p_month, '_YYYY_MM');
  v_from constant timestamptz := date_trunc('month', p_month::timestamp);
  v_to constant timestamptz := date_trunc('month', p_month::timestamp) + interval '1 month';
begin
  if to_regclass(format('audit.%I', v_name)) is not null then
    return false;
  end if;
  execute format(
    'create table audit.%I (like audit.%I including defaults including constraints including storage, '
    'constraint %I check (created_at >= %L and created_at < %L))',
    v_name, p_parent, v_name || '_range', v_from, v_to
  );
  execute format(
    'comment on table audit.%I is %L',
    v_name, format('%s of %s (UTC).', p_parent, to_char(p_month, 'YYYY-MM'))
  );
  execute format(
    'alter table audit.%I set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.005)', v_name
  );
  if p_parent = 'audit_events' then
    -- Postgres clones row triggers to partitions but not statement triggers, and TRUNCATE of a partition asks only its own.
    execute format(
      'create trigger audit_events_immutable_statement before update or delete or truncate on audit.%I '
      'for each statement execute function audit.refuse_event_change()',
      v_name
    );
  end if;
  execute format(
    'alter table audit.%I attach partition audit.%I for values from (%L) to (%L)', p_parent, v_name, v_from, v_to
  );
  return true;
end
$$;
comment on function audit.add_month_partition(name, date) is
  'Adds the partition of the month of p_month to a table partitioned by created_at; false when it is there already.';

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
  return v_added;
end
$$;
comment on function audit.create_monthly_audit_partition(int) is
  'Makes sure that every partitioned table has last month, this month and the months ahead; returns how many it added.';

create or replace function audit.partitioned_tables() returns table (table_name name)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select c.relname
  from pg_catalog.pg_partitioned_table p
  join pg_catalog.pg_class c on c.oid = p.partrelid
  where c.relnamespace = 'audit'::regnamespace
$$;
comment on function audit.partitioned_tables() is 'The tables of this schema that have a partition a month.';

create or replace view audit.partition_schedule as
with bounds as (
  select
    parent.relname as table_name,
    child.relname as partition_name,
    (regexp_match(pg_get_expr(child.relpartbound, child.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz as upper_bound
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class parent on parent.oid = i.inhparent
  join pg_catalog.pg_class child on child.oid = i.inhrelid
  where parent.relnamespace = 'audit'::regnamespace
    and parent.relkind = 'p'
)
select
  p.table_name,
  count(b.partition_name)::int as partition_count,
  max(b.partition_name::text) as newest_partition,
  max(b.upper_bound) as next_partition_date,
  greatest(
    0,
    (extract(year from max(b.upper_bound) at time zone 'UTC')::int - extract(year from now() at time zone 'UTC')::int) * 12
      + extract(month from max(b.upper_bound) at time zone 'UTC')::int
      - extract(month from now() at time zone 'UTC')::int
      - 1
  ) as months_ahead
from audit.partitioned_tables() p
left join bounds b using (table_name)
group by p.table_name;
comment on view audit.partition_schedule is
  'Per partitioned table: its newest month, the first month without a partition, and how many whole months lie ahead.';

-- Whether every guard of the append-only table is in place on it and on each partition: on for ordinary sessions ('R'
-- fires in replicas only), unconditional, and calling our function. The bits are ROW 1, BEFORE 2, DELETE 8, UPDATE 16,
-- TRUNCATE 32.
create or replace view audit.partition_guards as
with guards as (
  select
    t.tgrelid,
    t.tgfoid = 'audit.refuse_event_change()'::regprocedure and t.tgqual is null and t.tgtype & 63 = 27 as guards_rows,
    t.tgfoid = 'audit.refuse_event_change()'::regprocedure and t.tgqual is null and t.tgtype & 63 = 58 as guards_statements,
    t.tgfoid = 'audit.check_event_chronology()'::regprocedure as checks_chronology
  from pg_catalog.pg_trigger t
  where t.tgenabled in ('O', 'A')
)
select
  c.relname as table_name,
  coalesce(bool_or(g.guards_rows), false) as rows_guarded,
  coalesce(bool_or(g.guards_statements), false) as statements_guarded,
  coalesce(bool_or(g.checks_chronology), false) as chronology_checked
from pg_catalog.pg_class c
left join guards g on g.tgrelid = c.oid
where c.oid = 'audit.audit_events'::regclass
  or c.oid in (select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = 'audit.audit_events'::regclass)
group by c.relname;
comment on view audit.partition_guards is
  'Whether the triggers that keep events immutable and in order are on, per table of audit_events.';

select audit.create_monthly_audit_partition();
