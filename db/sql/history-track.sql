drop function if exists audit.track(regclass, text[], text[], text[], text);
drop function if exists audit.note_tracked(regclass, text[], text[], text[], text[], text);
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
            hint = 'Its rows cannot be told apart. Give it a primary key, or a unique index over NOT NULL columns, without arrays, composites and jsonb.';
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
