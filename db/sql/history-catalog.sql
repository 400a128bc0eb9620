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
        join pg_type t on t.oid = a.atttypid
        -- Nor may it hold arrays, composites or jsonb: no text of those leads back to the row.
        where not a.attnotnull or t.typcategory in ('A', 'C') or 'jsonb'::regtype in (t.oid, t.typbasetype)
      )
    order by i.indisprimary desc, i.indisreplident desc, i.indnkeyatts, i.indexrelid
    limit 1
  ) i
  cross join unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k (number, position)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
);
comment on function audit.key_of(regclass) is 'The columns of a table''s primary key, or of a unique index without nulls; null when it has neither.';
