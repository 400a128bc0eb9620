-- What goes into a cold file, and what its verification compares, is this one text: the columns' own texts as a JSON array,
-- times in microseconds. jsonb and arrays are written the same whatever the session's settings. services/cold/columns.ts names
-- the columns in this order. An array's lower bound, which nothing of ours shows, is not in it.
-- The mark changes with every version of the row, so a table with the noted sum of marks is the table that was verified.
-- What came back from a file and is still as it is there needs no second file. The array is looked up in first, so that a month
-- without such events is read as if there were no such question.
create or replace function audit.content_digest(p_line text) returns bytea
language sql immutable strict parallel safe
return sha256(convert_to((p_line::jsonb - 21)::text, 'UTF8'));
comment on function audit.content_digest(text) is
  'SHA-256 of a line of archive_lines without its last column, archived_at, which is another after each move.';

create or replace view audit.archive_lines as
select
  l.workspace_id, l.created_at, l.id, l.line, l.mark,
  l.id = any (array(select r.event_id from audit.cold_returns r))
    and exists (
      select from audit.cold_returns r
      where r.event_id = l.id
        and r.event_created_at = l.created_at
        and r.content_digest = audit.content_digest(l.line)
    ) as is_in_file
from (
  select
    a.workspace_id,
    a.created_at,
    a.id,
    array_to_json(array[
      a.id::text,
      (extract(epoch from a.created_at) * 1000000)::bigint::text,
      (extract(epoch from a.occurred_at) * 1000000)::bigint::text,
      a.event_id,
      a.workspace_id,
      a.created_by_user_id,
      a.action_type,
      a.resource_type,
      a.resource_id,
      a.old_values::text,
      a.new_values::text,
      to_jsonb(a.changed_fields)::text,
      textin(inet_out(a.ip_address)),
      a.user_agent,
      a.request_id,
      to_jsonb(a.tags)::text,
      a.metadata::text,
      a.txid::text,
      (extract(epoch from a.deleted_at) * 1000000)::bigint::text,
      a.deleted_by_user_id,
      a.deletion_reason,
      (extract(epoch from a.archived_at) * 1000000)::bigint::text
    ])::text as line,
    hashtextextended(a.id::text || ' ' || a.xmin::text, 0) as mark
  from audit.audit_events_archive a
) l;
comment on view audit.archive_lines is
  'Archived events as the text that cold files hold; mark names the version of a row, to see whether it changed; is_in_file: it came back from a file that still holds it.';

-- Whole months only, and only when every event in them is past its workspace's warm time, so that a file is written once. The
-- weekly report, which a run may make for weeks that were missed, counts in the database alone: 42 days stay there in any case.
create or replace function audit.due_cold_months() returns table (month date)
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select m.month_start::date
  from audit.month_partitions() m
  where m.table_name = 'audit_events_archive'
    and m.month_end <= now()
    and exists (
      select from audit.audit_events_archive a where a.created_at >= m.month_start and a.created_at < m.month_end
    )
    and not exists (
      select
      from (
        select a.workspace_id, max(a.created_at) as newest
        from audit.audit_events_archive a
        where a.created_at >= m.month_start and a.created_at < m.month_end
        group by a.workspace_id
      ) w
      left join audit.audit_retention_policies p on p.workspace_id = w.workspace_id
      where w.newest >= now() - make_interval(days => greatest(coalesce(p.warm_archive_days, 365), 42))
    )
  order by 1
$$;
comment on function audit.due_cold_months() is 'Months of the archive in which every event is past its warm time, oldest first.';

-- Its table is the last place in the database where these events are, so the numbers are looked at here once more: nothing
-- may have come, gone or changed since the files were verified. SHARE keeps writers away and lets readers pass while the rows
-- are counted, and waits long enough for autovacuum to make room. Only the drop itself keeps readers waiting: it waits for them
-- at most 0.8 s, and for nothing after that (55P03).
create or replace function audit.drop_cold_month(p_month date) returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '800ms'
as $$
declare
  v_table name;
  v_rows bigint;
  v_new record;
  v_back bigint;
  v_noted record;
begin
  -- An old snapshot would not count what was written since.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'Months are dropped in READ COMMITTED alone' using errcode = 'invalid_transaction_state';
  end if;
  perform audit.lock_archiver();
  select m.partition_name into v_table
  from audit.month_partitions() m
  where m.table_name = 'audit_events_archive' and m.month_start = p_month::timestamp;
  if v_table is null then
    return jsonb_build_object('state', 'gone', 'rows', 0);
  end if;

  perform set_config('lock_timeout', '3s', true);
  execute format('lock table audit.%I in share mode', v_table);
  perform set_config('lock_timeout', '800ms', true);
  execute format('select count(*) from only audit.%I', v_table) into v_rows;
  select count(*) as row_count, coalesce(sum(l.mark), 0) as row_marks into v_new
  from audit.archive_lines l
  where l.created_at >= p_month::timestamp and l.created_at < p_month::timestamp + interval '1 month' and not l.is_in_file;
  select
    coalesce(sum(f.row_count), 0) as row_count,
    coalesce(sum(f.row_marks), 0) as row_marks,
    jsonb_agg(jsonb_build_object('object', f.object_key, 'rows', f.row_count, 'sha256', encode(f.sha256, 'hex')) order by f.part)
      as files
  into v_noted
  from audit.cold_months f
  where f.month = p_month and f.dropped_at is null;
  if v_rows = 0 and v_noted.files is null then
    return jsonb_build_object('state', 'gone', 'rows', 0);
  end if;
  -- Locked against a purge of their file: an entry that it has taken is not counted.
  select count(*) into v_back
  from (
    select from audit.cold_returns r
    join audit.archive_lines l on l.id = r.event_id and l.created_at = r.event_created_at
    where l.created_at >= p_month::timestamp and l.created_at < p_month::timestamp + interval '1 month' and l.is_in_file
      and r.content_digest = audit.content_digest(l.line)
    for update of r
  ) b;
  if v_new.row_count <> v_noted.row_count or v_new.row_marks <> v_noted.row_marks or v_new.row_count + v_back <> v_rows then
    return jsonb_build_object('state', 'changed', 'rows', v_rows, 'noted', v_noted.row_count);
  end if;

  -- Their copies in the older files are shown again.
  delete from audit.cold_returns r
  using audit.archive_lines l
  where l.created_at >= p_month::timestamp and l.created_at < p_month::timestamp + interval '1 month' and l.is_in_file
    and l.id = r.event_id and l.created_at = r.event_created_at and r.content_digest = audit.content_digest(l.line);
  lock table only audit.audit_events_archive in access exclusive mode;
  execute format('lock table audit.%I in access exclusive mode nowait', v_table);
  execute format('alter table audit.audit_events_archive detach partition audit.%I', v_table);
  execute format('drop table audit.%I', v_table);
  update audit.cold_months f set dropped_at = clock_timestamp() where f.month = p_month and f.dropped_at is null;
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, is_irrevocable, details
  ) values (
    'afterimage', 'archive_month', to_char(p_month, 'YYYY-MM'), 'retention', 'moved to cold files', false,
    jsonb_build_object('rows', v_rows, 'inOlderFiles', v_back, 'files', v_noted.files)
  );
  return jsonb_build_object('state', 'dropped', 'rows', v_rows);
end
$$;
comment on function audit.drop_cold_month(date) is
  'Drops a month of the archive whose every row is in noted cold files; says dropped, gone, or changed and then drops nothing.';

-- Files of a month that was not dropped are read by nobody.
create or replace function audit.discard_cold_files(p_month date) returns setof text
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from audit.cold_months f
  where f.month = p_month and f.dropped_at is null
  returning f.object_key
$$;
comment on function audit.discard_cold_files(date) is
  'Forgets the files of a month that is to be exported anew, and names them; those of a dropped month stay.';
