-- What a row of the application takes along when it goes, and what of that may not go: written as SQL about a row t.

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

-- Whatever deletes the history of a row asks this: a hold names the row by resource_type schema.name and resource_id its key.
create or replace function audit.row_is_held(p_table text, p_record_id text, p_user_id text default null) returns boolean
language sql stable
return exists (select from audit.deletion_stops(null, p_table, p_record_id, p_user_id, true));
comment on function audit.row_is_held(text, text, text) is
  'Whether a hold keeps a row of the application (schema.name, its key as the row history writes it), or its history, from being deleted.';

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

create or replace function audit.row_names(p_relation oid) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
return array(
  select n.nspname || '.' || c.relname
  from (select p_relation as id union select a.relid from pg_partition_ancestors(p_relation) a) r
  join pg_class c on c.oid = r.id
  join pg_namespace n on n.oid = c.relnamespace
  union
  select t.table_schema || '.' || t.table_name from audit.tracked_tables t where t.relation = p_relation
  union
  select u.table_schema || '.' || u.table_name from audit.untracked_tables u where u.relation = p_relation
  order by 1
);
comment on function audit.row_names(oid) is
  'The names by which a hold may mean a row of a table: its own, those of the tables that it is a partition of, those of its history.';

-- A foreign key may also name what the table is a partition of, or one of its partitions; their columns have the same names.
create or replace function audit.references_to(p_relation oid)
returns table (child oid, constraint_name text, on_delete text, child_columns text[], parent_columns text[])
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.conrelid, c.conname::text,
    case c.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'restrict' end,
    array_agg(a.attname::text order by k.n), array_agg(b.attname::text order by k.n)
  from pg_constraint c
  cross join unnest(c.conkey, c.confkey) with ordinality k (child, parent, n)
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.child
  join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.parent
  where c.contype = 'f' and c.conparentid = 0
    and c.confrelid in (select a.relid from pg_partition_ancestors(p_relation) a union select audit.relations_of(p_relation))
  group by c.oid, c.conrelid, c.conname, c.confdeltype
  order by c.conname, c.oid
$$;
comment on function audit.references_to(oid) is
  'The foreign keys that lead to a table, and what becomes of their rows when its rows go: cascade, set null, set default or restrict.';

create or replace function audit.matches_sql(p_child text, p_child_columns text[], p_parent text, p_parent_columns text[]) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return (
  select string_agg(format('%I.%I = %I.%I', p_child, k.child, p_parent, k.parent), ' and ')
  from unnest(p_child_columns, p_parent_columns) k (child, parent)
);
comment on function audit.matches_sql(text, text[], text, text[]) is 'SQL that a row of one alias references that of another.';

-- Children by foreign key, and theirs.
create or replace function audit.cleanup_children(p_relation oid)
returns table (table_name text, constraint_name text, on_delete text, is_tracked boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive gone (relation) as (
    select p_relation
    union
    select r.child from gone g cross join audit.references_to(g.relation) r where r.on_delete = 'cascade'
  )
  select distinct
    n.nspname || '.' || c.relname, r.constraint_name, r.on_delete, exists (select from audit.tracked_tables t where t.relation = r.child)
  from gone g
  cross join audit.references_to(g.relation) r
  join pg_class c on c.oid = r.child
  join pg_namespace n on n.oid = c.relnamespace
  order by 1, 2
$$;
comment on function audit.cleanup_children(oid) is
  'The tables that reference one, and what becomes of their rows when its rows go: cascade, set null, set default or restrict.';

-- A row takes along by cascade what references it, which may be held where it is not. Children are looked at while a hold could
-- concern them or theirs; below the levels that are looked through, that is enough for the row to stay.
create or replace function audit.held_sql(p_relation oid, p_workspace text, p_alias text) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_levels_max constant int := 5;
  v_alias constant text := p_alias || 'c';
  v_key constant text := coalesce(audit.row_key_sql(p_relation, p_alias), 'null');
  v_child record;
  v_sql text;
begin
  select string_agg(format('exists (select from audit.deletion_stops(%s, %L, %s, null, true))', p_workspace, n.name, v_key), ' or ')
  into v_sql
  from unnest(audit.row_names(p_relation)) n (name);
  if exists (select from pg_class c where c.oid = p_relation and c.relkind = 'p') then
    v_sql := v_sql || format(
      ' or exists (select from pg_catalog.pg_partition_ancestors(%I.tableoid) p join pg_catalog.pg_class c on c.oid = p.relid '
      'join pg_catalog.pg_namespace n on n.oid = c.relnamespace '
      'cross join lateral audit.deletion_stops(%s, n.nspname || ''.'' || c.relname, %s, null, true) s)',
      p_alias, p_workspace, v_key
    );
  end if;
  for v_child in
    select r.child, audit.matches_sql(v_alias, r.child_columns, p_alias, r.parent_columns) as matches
    from audit.references_to(p_relation) r
    where r.on_delete = 'cascade'
  loop
    v_sql := v_sql || format(
      ' or %s and exists (select from %s %I where %s and (%s))',
      audit.may_be_held_sql(v_child.child), v_child.child::regclass, v_alias, v_child.matches,
      case when length(p_alias) < c_levels_max then audit.held_sql(v_child.child, p_workspace, v_alias) else 'true' end
    );
  end loop;
  return v_sql;
end
$$;
comment on function audit.held_sql(oid, text, text) is
  'SQL that a row in a workspace (itself SQL) is held, or one that would go with it by cascade.';

create or replace function audit.may_be_held_sql(p_relation oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'exists (select from audit.legal_holds h where h.released_at is null and (h.resource_type is null or h.resource_type = any (%L::text[])))',
    array_agg(distinct n.name)
  )
  from (
    select p_relation as id union
    select audit.cleanup_relation(h.table_name) from audit.cleanup_children(p_relation) h where h.on_delete = 'cascade'
  ) t
  cross join audit.relations_of(t.id) r (id)
  cross join unnest(audit.row_names(r.id)) n (name)
);
comment on function audit.may_be_held_sql(oid) is 'SQL that there is a hold which could concern a row of a table, or one that would go with it by cascade.';

-- The same row may reference itself. What the caller may not read is left to the database to refuse.
create or replace function audit.referenced_sql(p_relation oid, p_alias text default 't') returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c_levels_max constant int := 5;
  v_alias constant text := p_alias || 'c';
  v_child record;
  v_deeper text;
  v_sql text;
begin
  if length(p_alias) > c_levels_max then
    return null;
  end if;
  for v_child in
    select r.child, r.on_delete, audit.matches_sql(v_alias, r.child_columns, p_alias, r.parent_columns) as matches
    from audit.references_to(p_relation) r
    join pg_class c on c.oid = r.child
    where r.on_delete in ('cascade', 'restrict')
      and has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(r.child, 'select')
  loop
    v_deeper := case
      when v_child.on_delete = 'cascade' then audit.referenced_sql(v_child.child, v_alias)
      else format('(%1$I.tableoid, %1$I.ctid) <> (%2$I.tableoid, %2$I.ctid)', v_alias, p_alias)
    end;
    if v_deeper is not null then
      v_sql := concat_ws(' or ', v_sql, format(
        'exists (select from %s %I where %s and (%s))', v_child.child::regclass, v_alias, v_child.matches, v_deeper
      ));
    end if;
  end loop;
  return v_sql;
end
$$;
comment on function audit.referenced_sql(oid, text) is
  'SQL that rows which do not go with a row reference it, or one that goes with it by cascade; null when no foreign key could.';
