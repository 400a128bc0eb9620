-- The short part: from the first lock to the commit nothing is read but the catalog. The hot table is locked first, as every
-- reader does, and waited for at most 0.8 s; whatever else is in the way makes it give up at once (55P03), so that nobody who
-- queues behind it waits longer than a second.
create or replace function audit.switch_month(
  p_hot name, p_archived name, p_from timestamptz, p_to timestamptz, p_is_empty boolean
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '800ms'
as $$
declare
  v_name constant name := 'audit_events_archive' || to_char(p_from, '_YYYY_MM');
  v_index name;
begin
  lock table only audit.audit_events in access exclusive mode;
  lock table only audit.audit_events_archive in access exclusive mode nowait;
  execute format('lock table audit.%I in access exclusive mode nowait', p_hot);
  execute format('alter table audit.audit_events detach partition audit.%I', p_hot);
  if p_is_empty then
    execute format('drop table audit.%I', p_hot);
    return;
  end if;
  if p_archived is not null then
    execute format('lock table audit.%I in access exclusive mode nowait', p_archived);
    execute format('alter table audit.audit_events_archive detach partition audit.%I', p_archived);
    execute format('drop table audit.%I', p_archived);
  end if;
  execute format('alter table audit.%I rename to %I', p_hot, v_name);
  -- A constant default is kept in the catalog: no row is written.
  execute format('alter table audit.%I add column archived_at timestamptz not null default now()', v_name);
  execute format('alter table audit.%I rename constraint %I to %I', v_name, p_hot || '_range', v_name || '_range');
  for v_index in
    select c.relname
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    where i.indrelid = format('audit.%I', v_name)::regclass and starts_with(c.relname::text, p_hot::text)
  loop
    execute format('alter index audit.%I rename to %I', v_index, v_name || substr(v_index, length(p_hot) + 1));
  end loop;
  execute format('drop trigger if exists audit_events_immutable_statement on audit.%I', v_name);
  perform audit.guard_month('audit_events_archive', v_name);
  execute format(
    'comment on table audit.%I is %L', v_name, format('audit_events_archive of %s (UTC).', to_char(p_from, 'YYYY-MM'))
  );
  -- The range check, made with the month, proves the bounds; the indexes are adopted.
  execute format(
    'alter table audit.audit_events_archive attach partition audit.%I for values from (%L) to (%L)', v_name, p_from, p_to
  );
end
$$;
comment on function audit.switch_month(name, name, timestamptz, timestamptz, boolean) is
  'Makes the hot table of a month the archive''s in a few milliseconds, or drops it when it is empty.';

-- The long part, before anybody waits: writers are kept from the old month (there are none), so that what is counted stays so.
-- An EXCLUSIVE lock lets readers pass, also while it is waited for, and waits long enough for autovacuum to make room.
create or replace function audit.prepare_month(p_month date)
returns table (state text, hot name, archived name, month_start timestamptz, month_end timestamptz, row_count bigint)
language plpgsql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '3s'
as $$
#variable_conflict use_variable
declare
  v_month record;
begin
  -- An old snapshot would not see what was written since, and a month that looks empty is dropped.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'Months move in READ COMMITTED alone' using errcode = 'invalid_transaction_state';
  end if;
  select * into v_month from audit.hot_months(date_trunc('month', p_month::timestamp));
  if not found then
    state := 'gone';
    return next;
    return;
  end if;
  hot := v_month.partition_name;
  month_start := v_month.month_start;
  month_end := v_month.month_end;
  execute format('lock table audit.%I in exclusive mode', hot);
  -- Once more, now that nothing comes in between: an event may have been brought back a moment ago.
  select * into v_month from audit.hot_months(date_trunc('month', p_month::timestamp));
  execute format('select count(*) from audit.%I', hot) into row_count;
  select p.partition_name into archived
  from audit.month_partitions() p
  where p.table_name = 'audit_events_archive' and p.month_start = v_month.month_start;
  state := case
    when not v_month.is_old or v_month.stays_until is not null then 'not_due'
    when row_count > 0 and exists (
      select from audit.audit_events_archive a
      where a.created_at >= v_month.month_start and a.created_at < v_month.month_end
    ) then 'not_merged'
    -- A table that rows have left is dropped when VACUUM has emptied its file: until then a transaction with an older
    -- snapshot may still have to read them there.
    -- The archive has no table of a month that went into cold files, though an event of it may have been brought back before.
    when pg_relation_size(to_regclass('audit.' || quote_ident(case when row_count = 0 then hot else archived end))) > 0 then 'emptied'
    when row_count = 0 then 'empty'
    else 'ready'
  end;
  return next;
end
$$;
comment on function audit.prepare_month(date) is
  'Looks whether a month can move whole: ready, empty, emptied, not_due, not_merged or gone; its writers wait until the transaction ends.';

create or replace function audit.archive_month(p_month date) returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_month record;
begin
  perform audit.lock_archiver();
  select * into v_month from audit.prepare_month(p_month);
  if v_month.state = 'ready' then
    perform audit.log_month_move(v_month.month_start, v_month.row_count);
  end if;
  if v_month.state in ('ready', 'empty') then
    perform audit.switch_month(
      v_month.hot, v_month.archived, v_month.month_start, v_month.month_end, v_month.state = 'empty'
    );
  end if;
  return case v_month.state when 'ready' then 'moved' when 'empty' then 'dropped' else v_month.state end;
end
$$;
comment on function audit.archive_month(date) is
  'Moves a month whole into the archive, or drops it when it is empty: moved, dropped, gone, not_due, not_merged, or emptied while a table that rows have left waits for VACUUM. 55P03: busy, ask again.';

create or replace function audit.log_month_move(p_from timestamptz, p_rows bigint) returns void
language sql
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select audit.log_move(
    'audit_events', to_char(p_from, 'YYYY-MM'), 'Past the hot retention',
    jsonb_build_object('move', 'month', 'from', 'audit_events', 'to', 'audit_events_archive', 'rowCount', p_rows)
  )
$$;
comment on function audit.log_month_move(timestamptz, bigint) is 'Writes down that a month moved whole.';

create or replace function audit.analyze_month(p_month date) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  v_partition name;
begin
  for v_partition in
    select m.partition_name
    from audit.month_partitions() m
    where m.table_name in ('audit_events', 'audit_events_archive')
      and m.month_start = date_trunc('month', p_month::timestamp)
  loop
    execute format('analyze audit.%I', v_partition);
  end loop;
end
$$;
comment on function audit.analyze_month(date) is 'Gathers statistics of a month after a move, hot and archived.';
