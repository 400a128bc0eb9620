-- Draft and live rows meet.
create or replace function audit.row_digest_sql(p_row text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('sha256(convert_to((%s)::text, ''UTF8''))', p_row);
comment on function audit.row_digest_sql(text) is 'SQL for a digest of a whole row, hidden columns included: whether it is still the one that was looked at.';

create or replace function audit.match_live_rows() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
begin
  for v_relation in select distinct relation from pg_temp.restore_draft where not is_matched order by 1 loop
    execute format(
      'insert into pg_temp.restore_live (draft_id, record_id, image, exact, digest) '
      'select __d.draft_id, %s, %s, %s, %s '
      'from pg_temp.restore_draft __d join %s __t on %s '
      'where __d.relation = %s and not __d.is_matched',
      audit.record_key_sql(v_relation, '__t'), audit.image_sql(v_relation, '__t'),
      coalesce(audit.exact_sql(v_relation, '__t'), 'null'), audit.row_digest_sql('__t'),
      v_relation::regclass, audit.key_match_sql(v_relation, '__t', '__d.live_record_id'), v_relation
    );
  end loop;
  update pg_temp.restore_draft set is_matched = true where not is_matched;
  analyze pg_temp.restore_draft;
  analyze pg_temp.restore_live;
end
$$;
comment on function audit.match_live_rows() is 'Looks up the live row of each drafted record that was not looked up yet.';

-- What the undone changes left against what is there now.
create or replace function audit.mark_changed_since() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update pg_temp.restore_draft d
  set conflict = 'changed_since'
  from pg_temp.restore_draft o
  left join pg_temp.restore_live r on r.draft_id = o.draft_id
  where d.draft_id = o.draft_id and d.left_image is not null and case
      when d.left_image = 'null' then r.draft_id is not null
      when r.draft_id is null then d.is_there
      else exists (
        select from jsonb_each(d.left_image) f
        where (d.fields is null or f.key = any (d.fields)) and f.value is distinct from r.image -> f.key and r.image ? f.key
      )
    end;
end
$$;
comment on function audit.mark_changed_since() is 'Marks the drafted rows that somebody changed after the changes that are to be undone.';

-- At a rollback: what the restore changed, its own triggers included, nobody changed since if its entry is the last.
create or replace function audit.forgive_changes_of(p_run uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update pg_temp.restore_draft d
  set conflict = null
  from audit.tracked_tables t
  where d.conflict = 'changed_since' and t.relation = d.relation and p_run = (
    select l.restore_id from audit.audit_logs l
    where l.table_name = t.table_name and l.table_schema = t.table_schema and l.record_id = d.live_record_id
    order by l.id desc limit 1
  );
end
$$;
comment on function audit.forgive_changes_of(uuid) is 'Takes the mark off rows that nothing but this restore has changed.';

create or replace function audit.foreign_keys_of(p_relations oid[])
returns table (name text, child oid, parent oid, child_columns text[], parent_columns text[], on_delete "char", is_deferrable boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.conname::text, c.conrelid, c.confrelid,
    array(select a.attname::text from unnest(c.conkey) with ordinality k (n, i) join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n order by i),
    array(select a.attname::text from unnest(c.confkey) with ordinality k (n, i) join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n order by i),
    c.confdeltype, c.condeferrable
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
-- were set to null when it went. Returns how many it drafted.
create or replace function audit.draft_children(p_at timestamptz) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_added int;
  v_count int := 0;
begin
  for v_key in
    select k.*, t.table_schema, t.table_name
    from audit.foreign_keys_of(array(select distinct relation from pg_temp.restore_draft where removed_txid is not null and not is_expanded)) k
    join audit.tracked_tables t on t.relation = k.child and t.relation = t.root
    where k.on_delete in ('c', 'n', 'd')
  loop
    -- What those transactions did to the child, read once: statistics of a history that grows by the second mislead.
    create temp table restore_gone on commit drop as
    select l.*
    from audit.audit_logs l
    where l.table_schema = v_key.table_schema and l.table_name = v_key.table_name and l.txid in (
      select d.removed_txid from pg_temp.restore_draft d where d.relation = v_key.parent and d.is_there and not d.is_expanded
    )
    and not exists (
      select from pg_temp.restore_draft o where o.relation = v_key.child and o.record_id = l.record_id and o.is_there
    );
    analyze pg_temp.restore_gone;
    execute format(
      $sql$
insert into pg_temp.restore_draft (
  relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, fields, left_image, removed_txid, origin
)
select
  %1$s, f.record_id, coalesce(l.new_record_id, l.record_id), true, f.id, f.created_at, f.old_values,
  nullif(f.exact_values -> 'old', 'null'),
  case when l.action = 'UPDATE' then l.changed_fields end,
  case when l.action = 'UPDATE' then l.old_values || l.new_values end,
  case when l.action <> 'UPDATE' then l.txid end, 'child'
from pg_temp.restore_draft d
join pg_temp.restore_gone l on l.txid = d.removed_txid and l.action %4$s and %5$s
%7$s
where d.relation = %6$s and d.is_there and not d.is_expanded and d.removed_txid is not null and f.action <> 'INSERT'
  and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id)
on conflict (relation, record_id) where is_there do nothing
$sql$,
      v_key.child, v_key.table_schema, v_key.table_name,
      case v_key.on_delete when 'c' then 'in (''DELETE'', ''TRUNCATE'')' else '= ''UPDATE''' end,
      audit.reference_sql('l.old_values', v_key.child_columns, 'd.target', v_key.parent_columns)
        || case v_key.on_delete when 'c' then '' else format(' and %L = any (l.changed_fields)', v_key.child_columns[1]) end,
      v_key.parent,
      case when p_at is null
        then 'join (select distinct on (g.record_id, g.txid) g.* from pg_temp.restore_gone g order by g.record_id, g.txid, g.id) f '
          'on f.record_id = l.record_id and f.txid = l.txid'
        else format(
          'cross join lateral (select * from audit.audit_logs f where f.table_schema = %L and f.table_name = %L '
          'and f.record_id = l.record_id and f.created_at > $1 order by f.id limit 1) f',
          v_key.table_schema, v_key.table_name
        )
      end
    ) using p_at;
    get diagnostics v_added = row_count;
    drop table pg_temp.restore_gone;
    v_count := v_count + v_added;
  end loop;
  update pg_temp.restore_draft set is_expanded = true where not is_expanded and is_matched;
  return v_count;
end
$$;
comment on function audit.draft_children(timestamptz) is
  'Drafts what went with the drafted rows by ON DELETE CASCADE, SET NULL and SET DEFAULT; as of a time, or before the transaction that took it away.';

-- Parents that drafted rows reference and that are not there: drafted as their deletion found them where the history knows
-- them, else a problem. Returns how many it drafted.
create or replace function audit.draft_parents(p_at timestamptz) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_added int;
  v_count int := 0;
begin
  delete from pg_temp.restore_problems where code = 'missing_parent';
  for v_key in
    select k.*, t.table_schema, t.table_name, t.relation as tracked,
      k.parent_columns = array(select c.name from audit.captured_columns(k.parent) c where c.key_position is not null order by c.key_position) as is_by_key
    from audit.foreign_keys_of(array(select distinct relation from pg_temp.restore_draft where is_there)) k
    left join audit.tracked_tables t on t.relation = k.parent and t.relation = t.root
    where k.child in (select relation from pg_temp.restore_draft where is_there)
  loop
    -- The foreign key itself is checked with its owner's rights when the rows are written.
    continue when not has_table_privilege(v_key.parent, 'select');
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
      v_key.child, v_key.child_columns,
      (select string_agg(format('d.target -> %L <> ''null''', c), ' and ') from unnest(v_key.child_columns) c),
      (select string_agg(format('d.target -> %L is not distinct from r.image -> %L', c, c), ' and ') from unnest(v_key.child_columns) c),
      v_key.parent,
      audit.reference_sql('d.target', v_key.child_columns, 'p.target', v_key.parent_columns),
      v_key.parent::regclass,
      (
        select string_agg(format('__t.%I = (d.target ->> %L)::%s', k.p, k.c, format_type(a.atttypid, a.atttypmod)), ' and ')
        from unnest(v_key.child_columns, v_key.parent_columns) k (c, p)
        join pg_attribute a on a.attrelid = v_key.parent and a.attname = k.p
      )
    );
    v_added := 0;
    if v_key.tracked is not null and v_key.is_by_key then
      execute format(
        $sql$
insert into pg_temp.restore_draft (relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, origin)
select distinct on (f.record_id) %1$s, f.record_id, f.record_id, true, f.id, f.created_at, f.old_values, nullif(f.exact_values -> 'old', 'null'), 'parent'
from (select distinct %2$s as record_id from pg_temp.restore_missing d) m
cross join lateral (
  select * from audit.audit_logs l
  where l.table_schema = %3$L and l.table_name = %4$L and l.record_id = m.record_id
    and case when $1 is null then l.action in ('DELETE', 'TRUNCATE') else l.created_at > $1 end
  order by case when $1 is null then -l.id else l.id end
  limit 1
) f
where f.action <> 'INSERT'
on conflict (relation, record_id) where is_there do nothing
$sql$,
        v_key.parent,
        case cardinality(v_key.child_columns)
          when 1 then format('(d.target ->> %L)', v_key.child_columns[1])
          else format('jsonb_build_array(%s)::text', (select string_agg(format('d.target -> %L', c), ', ') from unnest(v_key.child_columns) c))
        end,
        v_key.table_schema, v_key.table_name
      ) using p_at;
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
