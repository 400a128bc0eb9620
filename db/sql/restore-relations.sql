-- What must come along with drafted rows: the children that went with them, the parents that they reference.
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

-- Rows that went with a drafted row, by cascade, come back with it, as they were at the same point; and references that
-- were set to null when it went. Returns how many it drafted or added columns to.
create or replace function audit.draft_children(p_at timestamptz) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_transactions xid8[];
  v_added int;
  v_count int := 0;
  -- Rows are drafted in the order of their numbers, and looked at once.
  v_from constant int := (select expanded_to from pg_temp.restore_progress);
  v_to constant int := (select matched_to from pg_temp.restore_progress);
  v_whole constant xid8 := (select txid from pg_temp.restore_progress);
begin
  update pg_temp.restore_progress set expanded_to = v_to;
  -- All that a transaction did is drafted when it is undone as a whole.
  if not exists (select from pg_temp.restore_removals m where m.txid is distinct from v_whole) then
    return 0;
  end if;
  create unique index if not exists restore_draft_key on pg_temp.restore_draft (relation, record_id) where is_there;
  for v_key in
    select k.*, t.table_schema, t.table_name
    from audit.foreign_keys_of(array(
      select distinct d.relation from pg_temp.restore_draft d join pg_temp.restore_removals m on m.draft_id = d.draft_id where d.draft_id > v_from
    )) k
    join audit.tracked_tables t on t.relation = k.child and t.relation = t.root
    where k.on_delete in ('c', 'n', 'd')
  loop
    v_transactions := array(
      select distinct m.txid from pg_temp.restore_draft d join pg_temp.restore_removals m on m.draft_id = d.draft_id
      where d.relation = v_key.parent and d.is_there and d.draft_id > v_from
    );
    -- Read once: statistics of a history that grows by the second mislead.
    create temp table restore_gone on commit drop as
    select
      l.*, l.record_id as origin_key,
      (select jsonb_agg(l.old_values -> c order by o) from unnest(v_key.child_columns) with ordinality u (c, o)) as reference
    from audit.audit_logs l
    where l.table_schema = v_key.table_schema and l.table_name = v_key.table_name
      and l.txid = any (v_transactions)
      and not exists (
        select from pg_temp.restore_draft o
        where o.relation = v_key.child and o.record_id = l.record_id and o.is_there and o.fields is null
      );
    if p_at is not null then
      perform audit.trace_back(v_key.table_schema, v_key.table_name, p_at);
    end if;
    create index on pg_temp.restore_gone (origin_key);
    analyze pg_temp.restore_gone;
    create temp table restore_referenced on commit drop as
    select m.txid, (select jsonb_agg(coalesce(m.image, d.target) -> c order by o) from unnest(v_key.parent_columns) with ordinality u (c, o)) as reference
    from pg_temp.restore_draft d
    join pg_temp.restore_removals m on m.draft_id = d.draft_id
    where d.relation = v_key.parent and d.is_there and d.draft_id > v_from;
    delete from pg_temp.restore_referenced where reference @> '[null]';
    analyze pg_temp.restore_referenced;
    execute format(
      $sql$
with drafted as (
  insert into pg_temp.restore_draft as c (
    relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, fields, left_image, left_exact, origin
  )
  select distinct on (f.record_id)
    %1$s, f.record_id, %2$s, true, f.id, f.created_at, f.old_values, nullif(f.exact_values -> 'old', 'null'), %3$s, 'child'
  from pg_temp.restore_referenced p
  join pg_temp.restore_gone l on l.txid = p.txid and l.reference = p.reference and %4$s
  %5$s
  where f.action <> 'INSERT'
  order by f.record_id, l.id
  %6$s
  returning c.draft_id, c.record_id, c.entry_id
),
removed as (
  insert into pg_temp.restore_removals (draft_id, txid, image)
  select d.draft_id, l.txid, case when l.id <> d.entry_id then l.old_values end
  from drafted d
  join pg_temp.restore_gone l on l.origin_key = d.record_id and l.action in ('DELETE', 'TRUNCATE')
)
select count(*) from drafted
$sql$,
      v_key.child,
      case v_key.on_delete when 'c' then 'f.record_id' else 'coalesce(l.new_record_id, l.record_id)' end,
      case
        when v_key.on_delete <> 'c' then 'l.changed_fields, l.new_values, nullif(l.exact_values -> ''new'', ''null'')'
        when p_at is null then 'null::text[], ''null''::jsonb, null::jsonb'
        else 'null::text[], null::jsonb, null::jsonb'
      end,
      case v_key.on_delete when 'c' then 'l.action in (''DELETE'', ''TRUNCATE'')' else format('l.action = ''UPDATE'' and l.changed_fields && %L::text[]', v_key.child_columns) end,
      case when p_at is null
        then 'join (select distinct on (g.record_id, g.txid) g.* from pg_temp.restore_gone g order by g.record_id, g.txid, g.id) f '
          'on f.record_id = l.record_id and f.txid = l.txid'
        else format(
          'cross join lateral (select * from audit.audit_logs g where g.table_schema = %L and g.table_name = %L '
          'and g.record_id = l.origin_key and g.created_at > $1 order by g.id limit 1) f',
          v_key.table_schema, v_key.table_name
        )
      end,
      case when v_key.on_delete = 'c' then 'on conflict (relation, record_id) where is_there do nothing'
        -- Several references of one row may have been set to null.
        else 'on conflict (relation, record_id) where is_there do update set '
          'target = c.target || audit.some_of_image(excluded.target, excluded.fields), '
          'fields = array(select unnest(c.fields) union select unnest(excluded.fields)), '
          'left_image = audit.overlay_image(c.left_image, excluded.left_image) '
          'where c.fields is not null and not c.fields @> excluded.fields'
      end
    ) into v_added using p_at;
    drop table pg_temp.restore_gone, pg_temp.restore_referenced;
    v_count := v_count + v_added;
  end loop;
  return v_count;
end
$$;
comment on function audit.draft_children(timestamptz) is
  'Drafts what went with the drafted rows by ON DELETE CASCADE, SET NULL and SET DEFAULT; as of a time, or before the transaction that took it away.';

-- The keys that removed rows had at a time, where keys changed since.
create or replace function audit.trace_back(p_schema text, p_table text, p_at timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select from audit.audit_logs l
    where l.table_schema = p_schema and l.table_name = p_table and l.new_record_id is not null and l.created_at > p_at
  ) then
    return;
  end if;
  with recursive back as (
    select g.id as of_id, g.record_id as key, g.id
    from pg_temp.restore_gone g
    union all
    select b.of_id, o.record_id, o.id
    from back b
    cross join lateral (
      select l.record_id, l.id
      from audit.audit_logs l
      where l.table_schema = p_schema and l.table_name = p_table and l.new_record_id = b.key and l.created_at > p_at and l.id < b.id
      order by l.id desc
      limit 1
    ) o
  )
  update pg_temp.restore_gone g
  set origin_key = b.key
  from (select distinct on (of_id) of_id, key from back order by of_id, id) b
  where g.id = b.of_id and b.key <> g.record_id;
end
$$;
comment on function audit.trace_back(text, text, timestamptz) is 'Finds the keys that the rows in restore_gone had at a time; for draft_children().';

-- Parents that drafted rows reference and that are not there: drafted as their deletion found them where the history knows
-- them, else a problem. Returns how many it drafted.
create or replace function audit.draft_parents(p_at timestamptz) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_children constant oid[] := array(select distinct relation from pg_temp.restore_draft where is_there);
  v_added int;
  v_count int := 0;
begin
  delete from pg_temp.restore_problems where code in ('missing_parent', 'unseen_parent', 'reference_changed');
  for v_key in
    select k.*, t.table_schema, t.table_name, t.relation as tracked, t.tracked_at,
      array(select c.name from audit.captured_columns(k.parent) c where c.key_position is not null order by c.key_position) as key_columns
    from audit.foreign_keys_of(v_children) k
    left join audit.tracked_tables t on t.relation = k.parent and t.relation = t.root
    where k.child = any (v_children)
  loop
    if not (
      has_schema_privilege((select relnamespace from pg_class where oid = v_key.parent), 'usage') and has_table_privilege(v_key.parent, 'select')
    ) then
      -- The foreign key itself is checked with its owner's rights when the rows are written.
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      values ('note', 'unseen_parent', v_key.child, jsonb_build_object('constraint', v_key.name, 'parent', v_key.parent::regclass::text));
      continue;
    end if;
    begin
      perform audit.find_missing_parents(v_key.child, v_key.child_columns, v_key.parent, v_key.parent_columns);
    exception
      when data_exception then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'reference_changed', v_key.child, jsonb_build_object('constraint', v_key.name, 'parent', v_key.parent::regclass::text));
        continue;
    end;
    v_added := 0;
    if v_key.tracked is not null and exists (select from pg_temp.restore_missing) then
      execute format(
        $sql$
insert into pg_temp.restore_draft (relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, origin)
select distinct on (f.record_id) %1$s, f.record_id, f.record_id, true, f.id, f.created_at, f.old_values, nullif(f.exact_values -> 'old', 'null'), 'parent'
from (%2$s) m
cross join lateral (
  select * from audit.audit_logs l
  where l.table_schema = %3$L and l.table_name = %4$L and l.record_id = m.record_id and l.created_at >= $2
    and case when $1 is null then l.action in ('DELETE', 'TRUNCATE') else l.created_at > $1 end
  order by case when $1 is null then -l.id else l.id end
  limit 1
) f
where f.action <> 'INSERT' and not exists (
  select from audit.audit_logs l
  where l.table_schema = %3$L and l.table_name = %4$L and l.record_id = f.record_id and l.new_record_id is not null and l.id >= f.id
) and not exists (select from pg_temp.restore_draft o where o.relation = %1$s and o.record_id = f.record_id and o.is_there)
$sql$,
        v_key.parent,
        case
          when v_key.key_columns @> v_key.parent_columns and v_key.key_columns <@ v_key.parent_columns
          then audit.parent_key_sql(v_key.child_columns, v_key.parent_columns, v_key.key_columns)
          else format(
            'select distinct on (m.draft_id) l.record_id from pg_temp.restore_missing m join audit.audit_logs l on l.table_schema = %L '
            'and l.table_name = %L and l.action in (''DELETE'', ''TRUNCATE'') and %s order by m.draft_id, l.id desc',
            v_key.table_schema, v_key.table_name,
            audit.reference_sql('m.target', v_key.child_columns, 'l.old_values', v_key.parent_columns)
          )
        end,
        v_key.table_schema, v_key.table_name
      ) using p_at, v_key.tracked_at;
      get diagnostics v_added = row_count;
      v_count := v_count + v_added;
    end if;
    execute format(
      $sql$
insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
select 'blocking', 'missing_parent', %1$s, d.record_id, jsonb_build_object('constraint', %2$L::text, 'parent', %3$L::text, 'isTracked', %4$L::boolean)
from pg_temp.restore_missing d
where not exists (select from pg_temp.restore_draft p where p.relation = %5$s and p.is_there and %6$s)
$sql$,
      v_key.child, v_key.name, v_key.parent::regclass::text, v_key.tracked is not null, v_key.parent,
      audit.reference_sql('d.target', v_key.child_columns, 'p.target', v_key.parent_columns)
    );
    drop table pg_temp.restore_missing;
  end loop;
  return v_count;
end
$$;
comment on function audit.draft_parents(timestamptz) is
  'Drafts the missing parents of drafted rows from their own history; notes those that cannot be had as problems.';

create or replace function audit.parent_key_sql(p_child_columns text[], p_parent_columns text[], p_key_columns text[]) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'select distinct %s as record_id from pg_temp.restore_missing d',
    case count(*)
      when 1 then format('(d.target ->> %L)', min(c.child))
      else format('jsonb_build_array(%s)::text', string_agg(format('d.target -> %L', c.child), ', ' order by c.position))
    end
  )
  from (
    select k.position, p_child_columns[array_position(p_parent_columns, k.name)] as child
    from unnest(p_key_columns) with ordinality k (name, position)
  ) c
);
comment on function audit.parent_key_sql(text[], text[], text[]) is 'SQL for the record_ids of the parents in restore_missing, by a foreign key to their key.';

create or replace function audit.find_missing_parents(p_child oid, p_child_columns text[], p_parent oid, p_parent_columns text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    $sql$
create temp table restore_missing on commit drop as
select d.draft_id, d.record_id, d.target
from pg_temp.restore_draft d
left join pg_temp.restore_live r on r.draft_id = d.draft_id
where d.relation = %1$s and d.is_there and d.target ?& %2$L::text[] and %3$s
  and (r.draft_id is null or not (%4$s))
  and (d.fields is null or d.fields && %2$L::text[])
  and not exists (
    select from pg_temp.restore_draft p where p.relation = %5$s and p.is_there and %6$s
  )
  and not exists (select from %7$s __t where %8$s)
$sql$,
    p_child, p_child_columns,
    (select string_agg(format('d.target -> %L <> ''null''', c), ' and ') from unnest(p_child_columns) c),
    (select string_agg(format('d.target -> %L is not distinct from r.image -> %L', c, c), ' and ') from unnest(p_child_columns) c),
    p_parent,
    audit.reference_sql('d.target', p_child_columns, 'p.target', p_parent_columns),
    p_parent::regclass,
    (
      select string_agg(format('__t.%I = (d.target ->> %L)::%s', k.p, k.c, format_type(a.atttypid, a.atttypmod)), ' and ')
      from unnest(p_child_columns, p_parent_columns) k (c, p)
      join pg_attribute a on a.attrelid = p_parent and a.attname = k.p
    )
  );
end
$$;
comment on function audit.find_missing_parents(oid, text[], oid, text[]) is
  'Makes restore_missing: the drafted rows of a child whose parent is neither there nor drafted.';
