-- The entries that are to be undone become one drafted row per record.

-- p_undo: only the columns that the entries changed go back, and what was changed since is a conflict.
create or replace function audit.draft_rows(p_undo boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_moved oid[];
  v_written oid[];
begin
  select coalesce(array_agg(t.relation) filter (where t.has_moves), '{}'), coalesce(array_agg(t.relation) filter (where t.has_writes), '{}')
  into v_moved, v_written
  from (
    select e.relation, bool_or(e.new_record_id is not null) as has_moves, bool_or(e.new_values is not null) as has_writes
    from pg_temp.restore_entries e
    group by e.relation
  ) t;
  foreach v_relation in array v_moved loop
    perform audit.trace_records(v_relation);
  end loop;
  -- What is compared is what changes left.
  if p_undo then
    foreach v_relation in array v_written loop
      perform audit.level_texts(v_relation);
    end loop;
  end if;
  -- Records of which several entries are to be undone; by far the most have one.
  create temp table restore_several on commit drop as
  select e.relation, coalesce(e.first_id::text, e.record_id) as key, e.first_id is null as is_by_key, min(e.id) as first_id, max(e.id) as last_id
  from pg_temp.restore_entries e
  group by 1, 2, 3
  having count(*) > 1;
  analyze pg_temp.restore_several;
  insert into pg_temp.restore_draft (
    relation, record_id, live_record_id, is_live, is_there, entry_id, entry_at, removed_by, target, exact, fields, left_image, left_exact, action
  )
  select
    f.relation, f.record_id,
    -- A row that is gone is looked for under the key it had.
    case when l.action in ('DELETE', 'TRUNCATE') then f.record_id else coalesce(l.new_record_id, l.record_id) end,
    l.action not in ('DELETE', 'TRUNCATE'), f.action <> 'INSERT', f.id, f.created_at,
    case when f.action in ('DELETE', 'TRUNCATE') then f.txid end, f.old_values, nullif(f.exact_values -> 'old', 'null'),
    case when p_undo and f.action = 'UPDATE' then f.changed_fields end,
    case when p_undo then coalesce(l.new_values, 'null') end,
    case when p_undo then nullif(l.exact_values -> 'new', 'null') end,
    case when f.action = 'INSERT' then 'delete' else 'insert' end
  from pg_temp.restore_several s
  join pg_temp.restore_entries f on f.id = s.first_id
  join pg_temp.restore_entries l on l.id = s.last_id
  union all
  select
    e.relation, e.record_id,
    case when e.action in ('DELETE', 'TRUNCATE') then e.record_id else coalesce(e.new_record_id, e.record_id) end,
    e.action not in ('DELETE', 'TRUNCATE'), e.action <> 'INSERT', e.id, e.created_at,
    case when e.action in ('DELETE', 'TRUNCATE') then e.txid end, e.old_values, nullif(e.exact_values -> 'old', 'null'),
    case when p_undo and e.action = 'UPDATE' then e.changed_fields end,
    case when p_undo then coalesce(e.new_values, 'null') end,
    case when p_undo then nullif(e.exact_values -> 'new', 'null') end,
    case when e.action = 'INSERT' then 'delete' else 'insert' end
  from pg_temp.restore_entries e
  where not exists (
    select from pg_temp.restore_several s
    where s.relation = e.relation and s.key = coalesce(e.first_id::text, e.record_id) and s.is_by_key = (e.first_id is null)
  );
  analyze pg_temp.restore_draft (draft_id, relation, record_id, live_record_id, is_there, is_live, entry_id);
  insert into pg_temp.restore_removals (draft_id, txid)
  select draft_id, removed_by from pg_temp.restore_draft where removed_by is not null;
  if exists (select from pg_temp.restore_several) then
    create temp table restore_parts on commit drop as
    select d.draft_id, s.relation, e.id
    from pg_temp.restore_several s
    join pg_temp.restore_draft d on d.entry_id = s.first_id
    join pg_temp.restore_entries e on e.relation = s.relation and coalesce(e.first_id::text, e.record_id) = s.key and (e.first_id is null) = s.is_by_key;
    analyze pg_temp.restore_parts;
    insert into pg_temp.restore_removals (draft_id, txid, image)
    select p.draft_id, e.txid, e.old_values
    from pg_temp.restore_parts p
    join pg_temp.restore_draft d on d.draft_id = p.draft_id and d.is_there and d.entry_id <> p.id
    join pg_temp.restore_entries e on e.id = p.id and e.action in ('DELETE', 'TRUNCATE');
    if p_undo then
      perform audit.undo_each();
    end if;
    drop table pg_temp.restore_parts;
  end if;
  drop table pg_temp.restore_several;
  if exists (select from pg_temp.restore_draft where is_live) then
    -- Its key was taken by a row that had another one at the point: that row moves away, and this one is made again.
    update pg_temp.restore_draft d
    set is_anew = true
    where not d.is_live and d.is_there and exists (
      select from pg_temp.restore_draft o
      where o.relation = d.relation and o.live_record_id = d.live_record_id and o.is_live and o.is_there and o.draft_id <> d.draft_id
    );
    -- By a row that is looked for itself: of one that came and went meanwhile nothing is left.
    delete from pg_temp.restore_draft d
    where not d.is_there and not d.is_live and exists (
      select from pg_temp.restore_draft o
      where o.relation = d.relation and o.live_record_id = d.live_record_id and o.is_live
    );
    -- By a row that was not there at the point: that is its successor.
    delete from pg_temp.restore_draft d
    where not d.is_there and d.is_live and exists (
      select from pg_temp.restore_draft o
      where o.relation = d.relation and o.is_there and not o.is_live and o.live_record_id = d.live_record_id
    );
  end if;
end
$$;
comment on function audit.draft_rows(boolean) is 'Makes of the drafted entries one row per record: its state before the first of them.';

-- Where keys change, a record is followed from one to the next, entry by entry.
create or replace function audit.trace_records(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entry record;
  v_first bigint;
begin
  create temp table restore_moves on commit drop as
  select record_id as key from pg_temp.restore_entries where relation = p_relation and new_record_id is not null
  union
  select new_record_id from pg_temp.restore_entries where relation = p_relation and new_record_id is not null;
  create temp table restore_traces (first_id bigint primary key, origin text not null, is_there boolean not null, key text not null, is_live boolean not null)
  on commit drop;
  create index on pg_temp.restore_traces (key);
  create index on pg_temp.restore_traces (origin);
  create index if not exists restore_entries_id on pg_temp.restore_entries (id);
  for v_entry in
    select e.*
    from pg_temp.restore_entries e
    where e.relation = p_relation and e.record_id in (select m.key from pg_temp.restore_moves m)
    order by e.id
  loop
    select first_id into v_first from pg_temp.restore_traces where key = v_entry.record_id and is_live;
    if v_first is null then
      -- The same key again after its row went: one record.
      select first_id into v_first from pg_temp.restore_traces where origin = v_entry.record_id and is_there and not is_live;
    end if;
    if v_first is null then
      v_first := v_entry.id;
      insert into pg_temp.restore_traces values (v_first, v_entry.record_id, v_entry.action <> 'INSERT', v_entry.record_id, true);
    end if;
    update pg_temp.restore_traces
    set key = coalesce(v_entry.new_record_id, v_entry.record_id), is_live = v_entry.action not in ('DELETE', 'TRUNCATE')
    where first_id = v_first;
    update pg_temp.restore_entries
    set first_id = v_first
    where id = v_entry.id;
  end loop;
  drop table pg_temp.restore_moves, pg_temp.restore_traces;
end
$$;
comment on function audit.trace_records(oid) is 'Says of each drafted entry of a record whose key changed which record it belongs to.';

-- A time in an image has the zone of the session that wrote it, bytes its bytea_output: two texts of one value.
create or replace function audit.level_texts(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sides constant text[] := array['old_values', 'new_values'];
  v_column record;
  v_are_others boolean[];
  v_side int;
begin
  for v_column in
    select c.name, c.type from audit.restore_columns(p_relation) c where c.type ~ '^(timestamp.* with time zone|bytea)$'
  loop
    -- Both sides in one look: most entries have nothing of the kind.
    execute format(
      'select array[bool_or(old_values ->> %1$L not like all (%2$L::text[])), bool_or(new_values ->> %1$L not like all (%2$L::text[]))] '
      'from pg_temp.restore_entries where relation = %3$s',
      v_column.name, array['%+00:00', '\\x%'], p_relation
    ) into v_are_others;
    for v_side in 1..2 loop
      continue when v_are_others[v_side] is not true;
      begin
        execute format(
          'update pg_temp.restore_entries e set %1$I = e.%1$I || jsonb_build_object(%2$L, (e.%1$I ->> %2$L)::%3$s) '
          'where e.relation = %4$s and e.%1$I ->> %2$L not like all (%5$L::text[])',
          v_sides[v_side], v_column.name, v_column.type, p_relation, array['%+00:00', '\\x%']
        );
      exception
        -- It had another type then.
        when data_exception then
          null;
      end;
    end loop;
  end loop;
end
$$;
comment on function audit.level_texts(oid) is 'Writes the times and bytes in drafted entries as this session does, so that they can be compared.';
