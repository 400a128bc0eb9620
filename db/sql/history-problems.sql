create or replace function audit.capture_problems() returns table (relation text, problem text, action text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select t.relation::regclass::text, 'triggers',
    format('As the owner of the table: alter table %s enable trigger all; select audit.track(%L)', t.relation::regclass, t.root::regclass)
  from audit.tracked_tables t
  join pg_class c on c.oid = t.relation
  where exists (
    select from unnest(array['audit_insert', 'audit_update', 'audit_delete', case c.relkind when 'r' then 'audit_truncate' end]) n (name)
    where n.name is not null and not exists (
      select from pg_trigger g where g.tgrelid = t.relation and g.tgname = n.name and g.tgenabled in ('O', 'A')
    )
  )
  union all
  select p.relid::text, 'partition', format('As the owner of the table: select audit.track(%L)', t.root::regclass)
  from audit.tracked_tables t
  cross join lateral pg_partition_tree(t.root) p
  where t.relation = t.root and p.isleaf and not exists (select from audit.tracked_tables o where o.relation = p.relid)
$$;
comment on function audit.capture_problems() is
  'Tracked relations whose changes are not all recorded, and what to do: triggers (missing or off), partition (direct writes to it go unrecorded).';
