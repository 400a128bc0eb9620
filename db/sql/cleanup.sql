-- The rules of afterimage.config.ts for the application's own tables:
-- { table, where: [{ column, seconds } | { column, in }], workspaceColumn? }.
-- These functions look and write statements; the statements run outside of them, under the session's own search_path, because
-- the application's triggers fire in them.

-- Whatever deletes a row of the application, or its history, asks this: a hold names the row by resource_type schema.name and
-- resource_id its key.
create or replace function audit.row_is_held(p_table text, p_record_id text, p_user_id text default null) returns boolean
language sql stable
return exists (select from audit.deletion_stops(null, p_table, p_record_id, p_user_id, true));
comment on function audit.row_is_held(text, text, text) is
  'Whether a hold keeps a row of the application (schema.name, its key as the row history writes it), or its history, from being deleted.';

-- Two tables can be meant only where a name holds a dot; that is an error.
create or replace function audit.cleanup_relation(p_table text) returns oid
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select c.oid
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = p_table and c.relkind in ('r', 'p') and c.relpersistence <> 't'
);
comment on function audit.cleanup_relation(text) is 'The table of this name, schema.name as the catalog spells it; null when there is none.';

-- As the row history writes it: a hold names a row in one way, tracked or not.
create or replace function audit.row_key_sql(p_relation oid, p_alias text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case
    when count(*) = 1 then format('(to_jsonb(%I.%I) #>> ''{}'')', p_alias, min(k.name))
    when count(*) > 1 then format('jsonb_build_array(%s)::text', string_agg(format('%I.%I', p_alias, k.name), ', ' order by k.n))
  end
  from unnest(audit.key_of(p_relation)) with ordinality k (name, n)
);
comment on function audit.row_key_sql(oid, text) is 'SQL for the key of a row as text, or as the JSON array of a composite one; null when the table has none.';

-- A row takes along by cascade what references it, which may be held where it is not.
create or replace function audit.held_sql(p_relation oid, p_alias text default 't') returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_levels_max constant int := 5;
  v_alias constant text := p_alias || 'c';
  v_child record;
  v_sql text;
begin
  select format('audit.row_is_held(%L, %s)', n.nspname || '.' || c.relname, coalesce(audit.row_key_sql(p_relation, p_alias), 'null')) into v_sql
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.oid = p_relation;
  if length(v_alias) > c_levels_max then
    return v_sql;
  end if;
  for v_child in
    select c.conrelid, string_agg(format('%I.%I = %I.%I', v_alias, a.attname, p_alias, b.attname), ' and ' order by k.n) as matches
    from pg_constraint c
    cross join unnest(c.conkey, c.confkey) with ordinality k (child, parent, n)
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.child
    join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.parent
    where c.confrelid = p_relation and c.contype = 'f' and c.confdeltype = 'c' and c.conparentid = 0
    group by c.oid, c.conrelid, c.conname
    order by c.conname
  loop
    v_sql := v_sql || format(
      ' or exists (select from %s %I where %s and (%s))',
      v_child.conrelid::regclass, v_alias, v_child.matches, audit.held_sql(v_child.conrelid, v_alias)
    );
  end loop;
  return v_sql;
end
$$;
comment on function audit.held_sql(oid, text) is
  'SQL that a row is held, or one that would go with it by cascade, down to four levels of tables.';

create or replace function audit.cleanup_value_fits(p_value text, p_type text) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fits boolean;
begin
  execute format('select %1$L::%2$s = %1$L::%2$s', p_value, p_type) into v_fits;
  return v_fits;
exception
  when data_exception or check_violation or undefined_function then
    return false;
end
$$;
comment on function audit.cleanup_value_fits(text, text) is 'Whether a text is a value of a type that can be compared: a label of an enum, say.';

create or replace function audit.cleanup_faults(p_rule jsonb) returns table (fault text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant oid := audit.cleanup_relation(p_rule ->> 'table');
  v_class pg_class;
begin
  select * into v_class from pg_class c where c.oid = v_relation;
  if not found then
    return query select 'is no table of this database; write schema.name as the catalog spells it';
    return;
  end if;
  if audit.key_of(v_relation) is null then
    return query select 'has no primary key, by which its rows could be deleted in batches; give it one';
  end if;
  if v_class.relkind = 'r' and exists (select from pg_inherits i where i.inhparent = v_relation) then
    return query select 'is inherited from, so its key does not tell its rows apart; write a rule for each child';
  end if;
  if not has_schema_privilege(v_class.relnamespace, 'usage')
    or not (has_table_privilege(v_relation, 'select') and has_table_privilege(v_relation, 'update') and has_table_privilege(v_relation, 'delete'))
  then
    return query select format(
      'may not be cleaned by %s; as its owner run: grant usage on schema %2$s to %1$s; grant select, update, delete on %3$s to %1$s',
      current_user, v_class.relnamespace::regnamespace, v_relation::regclass
    );
  elsif v_class.relrowsecurity and row_security_active(v_relation) and not exists (
    select from pg_policy p where p.polrelid = v_relation and p.polname = 'audit_worker_restores'
  ) then
    return query select format(
      'hides rows from %1$s by its row security; as its owner run: create policy audit_worker_restores on %2$s for all to %1$s using (true) with check (true)',
      current_user, v_relation::regclass
    );
  end if;
  return query
  select format(
    'takes rows of %s along by cascade, and %s may not see whether those are held; as its owner run: grant select on %1$s to %2$s',
    h.table_name, current_user
  )
  from audit.cleanup_children(v_relation) h
  where h.on_delete = 'cascade' and not has_table_privilege(audit.cleanup_relation(h.table_name), 'select')
  group by h.table_name;
  return query
  select format('has no column %s, which is to name the workspace', p_rule ->> 'workspaceColumn')
  where p_rule ? 'workspaceColumn' and not exists (
    select from pg_attribute a
    where a.attrelid = v_relation and a.attname = p_rule ->> 'workspaceColumn' and a.attnum > 0 and not a.attisdropped
  );
  return query
  select case
    when a.attnum is null then format('has no column %s', w.condition ->> 'column')
    when w.condition ? 'seconds' and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) then
      format('has a column %s of type %s, which says no time; olderThan needs timestamptz, timestamp or date',
        w.condition ->> 'column', format_type(a.atttypid, a.atttypmod))
    else format('has a column %s of type %s, of which %s is no value that can be compared',
      w.condition ->> 'column', format_type(a.atttypid, a.atttypmod), i.value::text)
  end
  from jsonb_array_elements(p_rule -> 'where') with ordinality w (condition, position)
  left join pg_attribute a
    on a.attrelid = v_relation and a.attname = w.condition ->> 'column' and a.attnum > 0 and not a.attisdropped
  left join lateral jsonb_array_elements(w.condition -> 'in') i on a.attnum is not null
  where a.attnum is null
    or w.condition ? 'seconds' and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
    or i.value is not null and not audit.cleanup_value_fits(i.value #>> '{}', format_type(a.atttypid, null))
  order by w.position;
end
$$;
comment on function audit.cleanup_faults(jsonb) is
  'What in a rule does not fit the table as it is, or what the caller may do with it, in words that follow its name; nothing when all does.';

-- A date is its whole day; a timestamp without a zone is UTC.
create or replace function audit.cleanup_due_sql(p_rule jsonb, p_as_of timestamptz) returns text
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
return (
  with relation as (select audit.cleanup_relation(p_rule ->> 'table') as id)
  select string_agg(
    case
      when w.condition ? 'seconds' then
        format('t.%I < %L::timestamptz::%s', a.attname, p_as_of - make_interval(secs => (w.condition ->> 'seconds')::float8), format_type(a.atttypid, null))
      else
        format('t.%I = any (%L::%s[])', a.attname, array(select i #>> '{}' from jsonb_array_elements(w.condition -> 'in') i), format_type(a.atttypid, null))
    end,
    ' and ' order by w.position
  ) || format(' and not (%s)', audit.held_sql((select id from relation))) || case
    when p_rule ? 'workspaceColumn' then
      format(
        ' and not exists (select from audit.deletion_stops(t.%I::text, %L, %s, null, true))',
        p_rule ->> 'workspaceColumn', p_rule ->> 'table', audit.row_key_sql((select id from relation), 't')
      )
    else ''
  end
  from relation r
  cross join jsonb_array_elements(p_rule -> 'where') with ordinality w (condition, position)
  join pg_attribute a on a.attrelid = r.id and a.attname = w.condition ->> 'column' and a.attnum > 0 and not a.attisdropped
);
comment on function audit.cleanup_due_sql(jsonb, timestamptz) is 'SQL that a row t is due by a rule that fits its table, and not held.';

create or replace function audit.cleanup_statements(p_rule jsonb, p_as_of timestamptz, p_after jsonb, p_limit int)
returns table (counting text, locking text, deleting text[])
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation constant oid := audit.cleanup_relation(p_rule ->> 'table');
  v_due constant text := audit.cleanup_due_sql(p_rule, p_as_of);
  v_time constant text := (
    select w ->> 'column' from jsonb_array_elements(p_rule -> 'where') w where w ? 'seconds' limit 1
  );
  v_columns text;
  v_texts text;
  v_matches text;
  v_after text;
begin
  select
    string_agg(format('t.%I', a.attname), ', ' order by k.n),
    string_agg(format('t.%I::text', a.attname), ', ' order by k.n),
    string_agg(format('t.%I = (k.key ->> %s)::%s', a.attname, k.n - 1, format_type(a.atttypid, null)), ' and ' order by k.n),
    string_agg(format('%L::%s', p_after ->> (k.n - 1)::int, format_type(a.atttypid, null)), ', ' order by k.n)
  into v_columns, v_texts, v_matches, v_after
  from unnest(audit.key_of(v_relation)) with ordinality k (name, n)
  join pg_attribute a on a.attrelid = v_relation and a.attname = k.name;
  counting := format(
    'select (select count(*) from (select from %1$s t where %2$s limit %3$s) d)::int as count, '
    '(select t.%4$I::timestamptz from %1$s t where %2$s order by t.%4$I limit 1) as oldest',
    v_relation::regclass, v_due, p_limit, v_time
  );
  locking := format(
    'select jsonb_build_array(%s) as key from %s t where %s%s order by %s limit %s for update skip locked',
    v_texts, v_relation::regclass, v_due,
    case when p_after is null then '' else format(' and (%s) > (%s)', v_columns, v_after) end, v_columns, p_limit
  );
  deleting := array[
    format('delete from %s t using jsonb_array_elements((', v_relation::regclass), format(')::jsonb) k (key) where %s', v_matches)
  ];
  return next;
end
$$;
comment on function audit.cleanup_statements(jsonb, timestamptz, jsonb, int) is
  'The statements of a rule: count what is due up to a limit, lock the next rows by key after one, delete rows by their keys, which stand between its two parts.';

-- Children by foreign key, and theirs: what ON DELETE does to them when rows of the table go.
create or replace function audit.cleanup_children(p_relation oid)
returns table (table_name text, constraint_name text, on_delete text, is_tracked boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive gone (relation) as (
    select p_relation
    union
    select c.conrelid from gone g join pg_constraint c on c.confrelid = g.relation
    where c.contype = 'f' and c.confdeltype = 'c' and c.conparentid = 0
  )
  select distinct
    n.nspname || '.' || r.relname, c.conname::text,
    case c.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'restrict' end,
    exists (select from audit.tracked_tables t where t.relation = c.conrelid)
  from gone g
  join pg_constraint c on c.confrelid = g.relation and c.contype = 'f' and c.conparentid = 0
  join pg_class r on r.oid = c.conrelid
  join pg_namespace n on n.oid = r.relnamespace
  order by 1, 2
$$;
comment on function audit.cleanup_children(oid) is
  'The tables that reference one, and what becomes of their rows when its rows go: cascade, set null, set default or restrict.';
