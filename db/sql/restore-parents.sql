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
where not exists (
  select from pg_temp.restore_draft p
  where p.relation = %5$s and p.is_there and coalesce(p.fields && %7$L::text[], true) and %6$s
)
$sql$,
      v_key.child, v_key.name, v_key.parent::regclass::text, v_key.tracked is not null, v_key.parent,
      audit.reference_sql('d.target', v_key.child_columns, 'p.target', v_key.parent_columns), v_key.parent_columns
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
    -- A row of which only other columns are set back keeps its key. (With OR the planner took few to be left, and looped.)
    select from pg_temp.restore_draft p where p.relation = %5$s and p.is_there and coalesce(p.fields && %9$L::text[], true) and %6$s
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
    ),
    p_parent_columns
  );
end
$$;
comment on function audit.find_missing_parents(oid, text[], oid, text[]) is
  'Makes restore_missing: the drafted rows of a child whose parent is neither there nor drafted.';
