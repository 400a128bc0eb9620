-- The row history is kept in whole months. What lies before the floor is gone, and whatever reads the history says so.

-- The history stands under the name that the table had when its tracking began; a hold may give the one that it has today.
create or replace function audit.history_names(p_schema text, p_name text) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
return array(
  select p_schema || '.' || p_name
  union
  select n.name
  from (
    select t.relation, t.table_schema, t.table_name from audit.tracked_tables t
    union
    select u.relation, u.table_schema, u.table_name from audit.untracked_tables u
  ) r
  cross join unnest(audit.row_names(r.relation)) n (name)
  where r.table_schema = p_schema and r.table_name = p_name
);
comment on function audit.history_names(text, text) is
  'The names by which a hold may mean a table, given the one of its history; those of its partitions as well.';

-- Through the hold predicate, entry by entry: a month with one entry that is held stays whole. A month has millions of entries,
-- so the predicate is asked only of those in which a name stands that some hold names. p_cleared are holds known to fit none.
drop function if exists audit.history_month_is_held(timestamptz, timestamptz);
create or replace function audit.history_month_is_held(p_from timestamptz, p_to timestamptz, p_cleared uuid[] default '{}') returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return exists (
  with meant as materialized (
    select coalesce(h.resource_id, h.subject_user_id, h.resource_type) as name
    from audit.legal_holds h
    where h.released_at is null and h.id <> all (p_cleared)
  ),
  named as materialized (
    select m.name from meant m
    union
    select t.table_schema || '.' || t.table_name
    from (
      select t.table_schema, t.table_name from audit.tracked_tables t union select u.table_schema, u.table_name from audit.untracked_tables u
    ) t
    where audit.history_names(t.table_schema, t.table_name) && array(select m.name from meant m)
  )
  select from audit.audit_logs l
  where exists (select from named)
    and l.created_at >= p_from and l.created_at < p_to
    and (
      l.record_id in (select n.name from named n) or l.new_record_id in (select n.name from named n)
      or l.user_id in (select n.name from named n)
      or l.table_schema || '.' || l.table_name in (select n.name from named n)
    )
    and exists (
      select from unnest(audit.history_names(l.table_schema, l.table_name)) t (name)
      where audit.row_is_held(t.name, l.record_id, l.user_id) or audit.row_is_held(t.name, l.new_record_id, l.user_id)
    )
);
comment on function audit.history_month_is_held(timestamptz, timestamptz, uuid[]) is
  'Whether a hold keeps an entry of the row history of this time from being deleted.';

-- One month a call, the oldest, so that what is kept has no hole: one that is held keeps those after it. In one transaction with
-- its entry in the deletion log and the new floor. What takes time is counted before anything is locked; then only holds that
-- came meanwhile are asked, and the catalog changes. A month is never counted too low: nobody but the capture triggers writes,
-- and those write now.
create or replace function audit.drop_history_month(p_deleted_by text, p_months_kept int default 12)
returns table (outcome text, month text, row_count bigint, begins_at timestamptz)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '1s'
as $$
#variable_conflict use_variable
declare
  c_months_kept_min constant int := 12;
  c_split_within constant interval := '1 day';
  v_month record;
  v_facts record;
  v_split xid8[];
  v_holds uuid[];
  v_deletion uuid;
begin
  -- Whoever may call this may not shorten the history by it.
  if p_months_kept is null or p_months_kept not between c_months_kept_min and 1200 then
    raise exception 'p_months_kept is %, but must be from % to 1200', coalesce(p_months_kept::text, 'null'), c_months_kept_min
      using errcode = 'invalid_parameter_value';
  end if;
  -- A second caller finds out what the first one did.
  perform pg_advisory_xact_lock(hashtextextended('audit.drop_history_month', 0));
  select m.* into v_month
  from audit.month_partitions() m
  where m.table_name = 'audit_logs'
    and m.month_end <= date_trunc('day', clock_timestamp()) - make_interval(months => p_months_kept)
  order by m.month_start
  limit 1;
  if not found then
    outcome := 'none';
    return next;
    return;
  end if;
  month := to_char(v_month.month_start, 'YYYY-MM');
  v_holds := array(select h.id from audit.legal_holds h where h.released_at is null);
  if audit.history_month_is_held(v_month.month_start, v_month.month_end) then
    outcome := 'held';
    return next;
    return;
  end if;
  execute format(
    'select count(*) as row_count, min(created_at) as first_at, max(created_at) as last_at, min(id) as first_id, max(id) as last_id, '
    'pg_total_relation_size(%L::regclass) as bytes, '
    '(select jsonb_agg(t.name order by t.name) from (select distinct table_schema || ''.'' || table_name as name from audit.%I) t) as tables '
    'from audit.%I',
    format('audit.%I', v_month.partition_name), v_month.partition_name, v_month.partition_name
  ) into v_facts;
  -- A transaction of which a part goes and a part stays can no longer be undone whole.
  select coalesce(array_agg(distinct l.txid), '{}') into v_split
  from audit.audit_logs l
  where l.created_at >= v_month.month_end and l.created_at < v_month.month_end + c_split_within
    and exists (
      select from audit.audit_logs o
      where o.txid = l.txid and o.created_at >= v_month.month_start and o.created_at < v_month.month_end
    );
  perform audit.lock_holds();
  if audit.history_month_is_held(v_month.month_start, v_month.month_end, v_holds) then
    outcome := 'held';
    return next;
    return;
  end if;
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, details
  ) values (
    p_deleted_by, 'history_month', month, 'retention', format('The row history is kept for %s months', p_months_kept),
    jsonb_build_object(
      'rowCount', v_facts.row_count, 'tables', coalesce(v_facts.tables, '[]'), 'from', v_month.month_start, 'to', v_month.month_end,
      'firstAt', v_facts.first_at, 'lastAt', v_facts.last_at, 'firstId', v_facts.first_id::text, 'lastId', v_facts.last_id::text,
      'bytes', v_facts.bytes
    )
  ) returning id into v_deletion;
  insert into audit.history_floor as f (begins_at, split_transactions, deletion_id)
  values (v_month.month_end, v_split, v_deletion)
  on conflict (is_only) do update set
    begins_at = greatest(f.begins_at, excluded.begins_at), split_transactions = excluded.split_transactions,
    deletion_id = excluded.deletion_id;
  -- The whole first, as every reader and writer does.
  lock table only audit.audit_logs in access exclusive mode;
  execute format('lock table audit.%I in access exclusive mode nowait', v_month.partition_name);
  execute format('alter table audit.audit_logs detach partition audit.%I', v_month.partition_name);
  execute format('drop table audit.%I', v_month.partition_name);
  outcome := 'dropped';
  row_count := v_facts.row_count;
  begins_at := v_month.month_end;
  return next;
end
$$;
comment on function audit.drop_history_month(text, int) is
  'Drops the oldest month of the row history that is past its time, and logs it first: dropped, held or none. 55P03: busy, ask again.';
