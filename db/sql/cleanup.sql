-- The rules of afterimage.config.ts for the application's own tables:
-- { table, where: [{ column, seconds } | { column, in }], workspaceColumn? }.
-- These functions look and write statements; the statements run outside of them, under the session's own search_path, because
-- the application's triggers fire in them.

-- A cast may cut a text short (name, "char"), and what is left would match other rows.
create or replace function audit.cleanup_value_fits(p_value text, p_type text) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fits boolean;
begin
  execute format(
    'select %1$L::%2$s = %1$L::%2$s and (t.typcategory not in (''S'', ''Z'') or rtrim(%1$L::%2$s::text) = rtrim(%1$L)) '
    'from pg_type t where t.oid = %3$L::regtype',
    p_value, p_type, p_type
  ) into v_fits;
  return v_fits;
exception
  when data_exception or check_violation or undefined_function then
    return false;
end
$$;
comment on function audit.cleanup_value_fits(text, text) is
  'Whether a text is a value of a type that can be compared (a label of an enum, say), and stays whole as one.';

create or replace function audit.cleanup_hides_rows(p_relation oid) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return row_security_active(p_relation)
  and not exists (select from pg_policy p where p.polrelid = p_relation and p.polname = 'audit_worker_restores');
comment on function audit.cleanup_hides_rows(oid) is 'Whether row security may hide rows of a table from the caller.';

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
  elsif audit.cleanup_hides_rows(v_relation) then
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
  select format(
    'takes rows of %s along by cascade, and the row security there may hide from %s that they are held; as its owner run: create policy audit_worker_restores on %1$s for all to %2$s using (true) with check (true)',
    h.table_name, current_user
  )
  from audit.cleanup_children(v_relation) h
  where h.on_delete = 'cascade' and audit.cleanup_hides_rows(audit.cleanup_relation(h.table_name))
  group by h.table_name;
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
    or i.value is not null and not audit.cleanup_value_fits(i.value #>> '{}', format_type(a.atttypid, -1))
  order by w.position;
end
$$;
comment on function audit.cleanup_faults(jsonb) is
  'What in a rule does not fit the table as it is, or what the caller may do with it, in words that follow its name; nothing when all does.';

create or replace function audit.cleanup_workspace_sql(p_rule jsonb) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return case when p_rule ? 'workspaceColumn' then format('coalesce(t.%I::text, '''')', p_rule ->> 'workspaceColumn') else 'null' end;
comment on function audit.cleanup_workspace_sql(jsonb) is
  'SQL for the workspace of a row t: empty when it has none, null when its rule does not say where it stands.';

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
        format('t.%I < %L::timestamptz::%s', a.attname, p_as_of - make_interval(secs => (w.condition ->> 'seconds')::float8), format_type(a.atttypid, -1))
      else
        format('t.%I = any (%L::%s[])', a.attname, array(select i #>> '{}' from jsonb_array_elements(w.condition -> 'in') i), format_type(a.atttypid, -1))
    end,
    ' and ' order by w.position
  ) || format(' and not (%s)', audit.held_sql((select id from relation), audit.cleanup_workspace_sql(p_rule), 't'))
  from relation r
  cross join jsonb_array_elements(p_rule -> 'where') with ordinality w (condition, position)
  join pg_attribute a on a.attrelid = r.id and a.attname = w.condition ->> 'column' and a.attnum > 0 and not a.attisdropped
);
comment on function audit.cleanup_due_sql(jsonb, timestamptz) is 'SQL that a row t is due by a rule that fits its table, and not held.';
drop function if exists audit.held_sql(oid, text);

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
    string_agg(format('t.%I = (k.key ->> %s)::%s', a.attname, k.n - 1, format_type(a.atttypid, -1)), ' and ' order by k.n),
    string_agg(format('%L::%s', p_after ->> (k.n - 1)::int, format_type(a.atttypid, -1)), ', ' order by k.n)
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
    format('delete from %s t using jsonb_array_elements((', v_relation::regclass),
    format(')::jsonb) k (key) where %s and not (%s)', v_matches, audit.held_sql(v_relation, audit.cleanup_workspace_sql(p_rule), 't')),
    format(' and not (%s)', coalesce(audit.referenced_sql(v_relation), 'false')),
    ' returning k.key'
  ];
  return next;
end
$$;
comment on function audit.cleanup_statements(jsonb, timestamptz, jsonb, int) is
  'The statements of a rule: count what is due up to a limit; lock the next rows by key after one; delete rows that are not held by their keys, which stand after the first of its four parts; the third leaves out those that are still referenced.';
