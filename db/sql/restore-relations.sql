-- How tables reference each other, for what comes along with drafted rows.
create or replace function audit.foreign_keys_of(p_relations oid[])
returns table (name text, child oid, parent oid, child_columns text[], parent_columns text[], on_delete "char", on_update "char", is_deferrable boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.conname::text, c.conrelid, c.confrelid,
    array(select a.attname::text from unnest(c.conkey) with ordinality k (n, i) join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n order by i),
    array(select a.attname::text from unnest(c.confkey) with ordinality k (n, i) join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n order by i),
    c.confdeltype, c.confupdtype, c.condeferrable
  from pg_constraint c
  where c.contype = 'f' and c.conparentid = 0 and (c.conrelid = any (p_relations) or c.confrelid = any (p_relations))
  order by c.conrelid::regclass::text, c.conname
$$;
comment on function audit.foreign_keys_of(oid[]) is 'The foreign keys from and to tables, with their columns in pairs.';

-- SQL that two images agree in a foreign key, of which no part is null.
create or replace function audit.reference_sql(p_child text, p_child_columns text[], p_parent text, p_parent_columns text[]) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return (
  select string_agg(format('%s -> %L = %s -> %L and %s -> %L <> ''null''', p_child, c, p_parent, p, p_child, c), ' and ')
  from unnest(p_child_columns, p_parent_columns) k (c, p)
);
comment on function audit.reference_sql(text, text[], text, text[]) is 'SQL that an image references another by a foreign key.';
