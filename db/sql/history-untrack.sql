create or replace function audit.untrack(p_table regclass) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_trigger name;
  v_count int := 0;
begin
  if not pg_has_role((select relowner from pg_class where oid = p_table), 'usage') then
    raise exception '% belongs to another role', p_table
      using errcode = 'insufficient_privilege', hint = 'Call this as the owner of the table, or as a member of it.';
  end if;
  for v_relation in
    select t.relation from audit.tracked_tables t join pg_class c on c.oid = t.relation where t.root = p_table
  loop
    for v_trigger in
      select tgname from pg_trigger where tgrelid = v_relation and tgname in ('audit_insert', 'audit_update', 'audit_delete', 'audit_truncate')
    loop
      execute format('drop trigger %I on %s', v_trigger, v_relation::regclass);
    end loop;
    execute format('revoke all on %s from audit_recorder, audit_worker', v_relation::regclass);
    execute format('drop policy if exists audit_recorder_reads on %s', v_relation::regclass);
    execute format('drop policy if exists audit_worker_restores on %s', v_relation::regclass);
    v_count := v_count + 1;
  end loop;
  perform audit.forget_tracked(p_table);
  return v_count;
end
$$;
comment on function audit.untrack(regclass) is 'Ends the recording of a table''s changes; its history stays. Returns how many relations it covered.';

create or replace function audit.forget_tracked(p_table regclass) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
begin
  if not exists (select from pg_class c where c.oid = p_table and pg_has_role(session_user, c.relowner, 'member')) then
    raise exception '% belongs to another role', p_table using errcode = 'insufficient_privilege';
  end if;
  perform audit.keep_name(p_table);
  for v_relation in delete from audit.tracked_tables where root = p_table returning relation loop
    perform audit.drop_capture_function(v_relation);
  end loop;
end
$$;
comment on function audit.forget_tracked(regclass) is
  'The half of untrack() that writes into the schema audit: notes when the tracking ended, so that the history is still found.';

create or replace function audit.keep_name(p_root oid) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into audit.untracked_tables as u (relation, table_schema, table_name, tracked_at)
  select t.relation, t.table_schema, t.table_name, t.tracked_at
  from audit.tracked_tables t
  where t.relation = p_root
  on conflict (relation) do update set
    table_schema = excluded.table_schema, table_name = excluded.table_name,
    tracked_at = least(u.tracked_at, excluded.tracked_at), untracked_at = excluded.untracked_at
$$;
comment on function audit.keep_name(oid) is 'Notes the name under which the history of a table stands that is no longer tracked.';

create or replace function audit.forget_dropped() returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_count int := 0;
begin
  perform audit.keep_name(t.relation)
  from audit.tracked_tables t
  where t.relation = t.root and not exists (select from pg_class c where c.oid = t.relation);
  for v_relation in
    delete from audit.tracked_tables t
    where not exists (select from pg_class c where c.oid = t.relation)
    returning t.relation
  loop
    perform audit.drop_capture_function(v_relation);
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
comment on function audit.forget_dropped() is
  'Ends the tracking of tables and partitions that were dropped; their history stays. Returns how many there were.';
