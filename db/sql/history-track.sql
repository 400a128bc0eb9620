-- The half of track() that needs the rights of audit_owner: notes the relations and makes their trigger functions.
-- A table's history keeps the name that it had when its tracking began, so that a rename does not split it.
create or replace function audit.note_tracked(
  p_table regclass, p_key text[], p_exclude text[], p_redact text[], p_ignore text[], p_on_error text, p_as_events jsonb
) returns setof oid
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_schema name;
  v_name name;
  v_other regclass;
  v_function regprocedure;
begin
  if not exists (select from pg_class c where c.oid = p_table and pg_has_role(session_user, c.relowner, 'member')) then
    raise exception '% belongs to another role', p_table using errcode = 'insufficient_privilege';
  end if;
  select coalesce(t.table_schema, u.table_schema, n.nspname), coalesce(t.table_name, u.table_name, c.relname) into v_schema, v_name
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join audit.tracked_tables t on t.relation = c.oid
  left join audit.untracked_tables u on u.relation = c.oid
  where c.oid = p_table;
  select t.relation::regclass into v_other
  from audit.tracked_tables t
  join pg_class c on c.oid = t.relation
  where t.table_schema = v_schema and t.table_name = v_name and t.relation = t.root and t.root <> p_table;
  if found then
    raise exception 'The history of %.% is that of %, which had this name when its tracking began', v_schema, v_name, v_other
      using errcode = 'duplicate_table', hint = format('End that with untrack, or give %s another name.', p_table);
  end if;
  for v_relation in select audit.relations_of(p_table) loop
    insert into audit.tracked_tables as t (
      relation, root, table_schema, table_name, key_columns, excluded_columns, redacted_columns, ignored_columns, columns,
      as_events, on_error, tracked_by
    )
    values (
      v_relation, p_table, v_schema, v_name,
      audit.column_numbers(v_relation, p_key), audit.column_numbers(v_relation, p_exclude),
      audit.column_numbers(v_relation, p_redact), audit.column_numbers(v_relation, p_ignore), audit.columns_of(v_relation),
      p_as_events, p_on_error, session_user
    )
    on conflict (relation) do update set
      root = excluded.root, table_schema = excluded.table_schema, table_name = excluded.table_name,
      key_columns = excluded.key_columns, excluded_columns = excluded.excluded_columns,
      redacted_columns = excluded.redacted_columns, ignored_columns = excluded.ignored_columns, columns = excluded.columns,
      as_events = excluded.as_events, on_error = excluded.on_error, is_on = true;
    -- Tracked again while capture was off: it is on from here.
    update audit.capture_gaps set ended_at = clock_timestamp()
    where relation = v_relation and reason = 'off' and ended_at is null;
    v_function := audit.own_capture_function(v_relation);
    execute format('grant execute on function %s to %s', v_function, (select relowner::regrole from pg_class where oid = p_table));
    return next v_relation;
  end loop;
end
$$;
comment on function audit.note_tracked(regclass, text[], text[], text[], text[], text, jsonb) is
  'The half of track() that writes into the schema audit; returns the relations that need triggers.';

-- Belongs to audit_recorder, which may append to the history and nothing else: it runs in every session that writes.
create or replace function audit.own_capture_function(p_relation oid) returns regprocedure
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_function regprocedure;
begin
  -- Only the owner of a function may replace it.
  if to_regprocedure(format('audit.capture_%s()', p_relation)) is not null then
    execute format('alter function audit.capture_%s() owner to audit_owner', p_relation);
  end if;
  v_function := audit.write_capture_function(p_relation);
  grant create on schema audit to audit_recorder;
  execute format('alter function %s owner to audit_recorder', v_function);
  revoke create on schema audit from audit_recorder;
  return v_function;
end
$$;
comment on function audit.own_capture_function(oid) is 'Makes the trigger function of a tracked relation, and hands it to audit_recorder.';

create or replace function audit.relations_of(p_table regclass) returns setof oid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select p_table::oid
  union
  select t.relid from pg_partition_tree(p_table) t join pg_class c on c.oid = t.relid where c.relkind in ('r', 'p')
$$;
comment on function audit.relations_of(regclass) is 'A table and all its partitions: each fires only its own triggers when it is written to directly.';

create or replace function audit.column_numbers(p_relation oid, p_names text[]) returns smallint[]
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select coalesce(array_agg(a.attnum order by n.position), '{}')
  from unnest(p_names) with ordinality n (name, position)
  join pg_attribute a on a.attrelid = p_relation and a.attname = n.name and a.attnum > 0 and not a.attisdropped
);
comment on function audit.column_numbers(oid, text[]) is 'The numbers of columns, which a rename leaves as they are.';

create or replace function audit.key_of(p_table regclass) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select array_agg(a.attname::text order by k.position)
  from (
    select i.indexrelid, i.indrelid, i.indkey, i.indnkeyatts
    from pg_index i
    where i.indrelid = p_table and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
      and not exists (
        select from unnest(i.indkey[0:i.indnkeyatts - 1]) n
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = n
        where not a.attnotnull
      )
    order by i.indisprimary desc, i.indisreplident desc, i.indnkeyatts, i.indexrelid
    limit 1
  ) i
  cross join unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k (number, position)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
);
comment on function audit.key_of(regclass) is 'The columns of a table''s primary key, or of a unique index without nulls; null when it has neither.';

drop function if exists audit.track(regclass, text[], text[], text[], text);
drop function if exists audit.note_tracked(regclass, text[], text[], text[], text[], text);
-- Runs with the caller's rights: triggers, grants and policies on a table are its owner's to make.
create or replace function audit.track(
  p_table regclass,
  exclude text[] default '{}',
  redact text[] default '{}',
  ignore text[] default '{}',
  on_error text default 'block',
  as_events jsonb default null
) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_class pg_class;
  v_key constant text[] := audit.key_of(p_table);
  v_name constant text := p_table::text;
  v_column text;
  v_relation oid;
  v_count int := 0;
begin
  select * into strict v_class from pg_class where oid = p_table;
  if v_class.relkind not in ('r', 'p') or v_class.relpersistence = 't' or v_class.relnamespace in ('audit'::regnamespace, 'pg_catalog'::regnamespace) then
    raise exception '% cannot be tracked', v_name
      using errcode = 'wrong_object_type', hint = 'Track ordinary and partitioned tables of the application.';
  end if;
  if v_class.relispartition then
    raise exception '% is a partition', v_name
      using errcode = 'wrong_object_type',
            hint = format('Track the whole: select audit.track(%L).', (select pg_partition_root(p_table)::text));
  end if;
  if v_class.relkind = 'r' and exists (select from pg_inherits where inhparent = p_table or inhrelid = p_table) then
    raise exception '% inherits, or is inherited from', v_name
      using errcode = 'feature_not_supported', hint = 'Its rows have several shapes; make it partitioned to track it.';
  end if;
  if v_key is null then
    raise exception '% has no key', v_name
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Its rows cannot be told apart. Give it a primary key, or a unique index over NOT NULL columns.';
  end if;
  if on_error is null or on_error not in ('block', 'warn') then
    raise exception 'on_error is %, but must be block or warn', coalesce(quote_literal(on_error), 'null')
      using errcode = 'invalid_parameter_value';
  end if;
  foreach v_column in array exclude || redact || ignore loop
    if cardinality(audit.column_numbers(p_table, array[v_column])) = 0 then
      raise exception 'Column % does not exist in %', quote_ident(v_column), v_name using errcode = 'undefined_column';
    end if;
    if v_column = any (v_key) then
      raise exception 'Column % belongs to the key of %', quote_ident(v_column), v_name
        using errcode = 'invalid_parameter_value', hint = 'Without it no row could be found again.';
    end if;
  end loop;
  perform audit.check_as_events(p_table, as_events);
  if exists (
    select from pg_attribute
    where attrelid = p_table and attnum > 0 and attname ~ '^__(o|n|i|j|s|e|position|old|new|before|after|user|request|restore|fields|values|key|new_key|image|exact)$'
  ) then
    raise exception '% has a column whose name the capture needs', v_name
      using errcode = 'duplicate_column', hint = 'Rename columns that begin with two underscores.';
  end if;
  if not pg_has_role(v_class.relowner, 'usage') then
    raise exception '% belongs to %', v_name, v_class.relowner::regrole
      using errcode = 'insufficient_privilege', hint = 'Call this as the owner of the table, or as a member of it.';
  end if;

  -- TRUNCATE is recorded by reading the table before; a restore writes to it.
  execute format('grant usage on schema %s to audit_recorder, audit_worker', v_class.relnamespace::regnamespace);
  for v_relation in
    select audit.note_tracked(p_table, v_key, exclude, redact, ignore, on_error, as_events)
  loop
    execute format('grant select on %s to audit_recorder', v_relation::regclass);
    execute format('grant select, insert, update, delete on %s to audit_worker', v_relation::regclass);
    perform audit.let_through_policies(v_relation);
    perform audit.make_capture_triggers(v_relation);
    v_count := v_count + 1;
  end loop;
  for v_relation in
    select s.oid
    from pg_depend d
    join pg_class s on s.oid = d.objid and s.relkind = 'S'
    where d.refobjid = p_table and d.deptype in ('a', 'i') and d.classid = 'pg_class'::regclass
  loop
    execute format('grant select, update on sequence %s to audit_worker', v_relation::regclass);
  end loop;
  return v_count;
end
$$;
comment on function audit.track(regclass, text[], text[], text[], text, jsonb) is
  'Records every change of a table from now on; called again it takes up changed columns, new partitions and other options. The caller owns the table. Returns how many relations it covers.';

create or replace function audit.let_through_policies(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not (select relrowsecurity from pg_class where oid = p_relation) then
    return;
  end if;
  if not exists (select from pg_policy where polrelid = p_relation and polname = 'audit_recorder_reads') then
    execute format('create policy audit_recorder_reads on %s for select to audit_recorder using (true)', p_relation::regclass);
    execute format('create policy audit_worker_restores on %s to audit_worker using (true) with check (true)', p_relation::regclass);
  end if;
end
$$;
comment on function audit.let_through_policies(oid) is
  'Lets the service see and restore the rows of a table with row-level security; without it TRUNCATE would be recorded as nothing.';

create or replace function audit.make_capture_triggers(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_form constant text := 'create or replace trigger %I %s on %s %s for each statement execute function audit.%I()';
  v_function constant text := 'capture_' || p_relation;
begin
  execute format(v_form, 'audit_insert', 'after insert', p_relation::regclass, 'referencing new table as __new', v_function);
  execute format(v_form, 'audit_update', 'after update', p_relation::regclass, 'referencing old table as __old new table as __new', v_function);
  execute format(v_form, 'audit_delete', 'after delete', p_relation::regclass, 'referencing old table as __old', v_function);
  execute format(v_form, 'audit_truncate', 'before truncate', p_relation::regclass, '', v_function);
end
$$;
comment on function audit.make_capture_triggers(oid) is 'Makes the triggers of a tracked relation; for track().';

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

create or replace function audit.drop_capture_function(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter function audit.capture_%s() owner to audit_owner', p_relation);
  execute format('drop function audit.capture_%s()', p_relation);
end
$$;
comment on function audit.drop_capture_function(oid) is 'Drops the trigger function of a relation that is no longer tracked.';

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

-- What was made by an earlier version records as it did; from here on it is made as it is now.
do $$
begin
  update audit.tracked_tables set columns = audit.columns_of(relation)
  where columns = '{}' and exists (select from pg_class where oid = relation);
  perform audit.own_capture_function(t.relation)
  from audit.tracked_tables t
  where exists (select from pg_class where oid = t.relation);
end
$$;
