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
  insert into pg_temp.restore_problems (severity, code, relation, record_id)
  select 'blocking', 'key_twice', d.relation, d.record_id
  from pg_temp.restore_draft d
  where d.is_there
  group by d.relation, d.record_id
  having count(*) > 1;
  if found then
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
    %1$s, coalesce(n.record_id, f.record_id), %2$s, true, f.id, f.created_at, f.old_values, nullif(f.exact_values -> 'old', 'null'), %3$s, 'child'
  from pg_temp.restore_referenced p
  join pg_temp.restore_gone l on l.txid = p.txid and l.reference = p.reference and %4$s
  %5$s
  -- The row may be drafted already, under the key that it had before.
  left join (
    select o.record_id, o.live_record_id from pg_temp.restore_draft o
    where o.relation = %1$s and o.is_there and o.live_record_id <> o.record_id
  ) n on l.action = 'UPDATE' and n.live_record_id = coalesce(l.new_record_id, l.record_id)
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
