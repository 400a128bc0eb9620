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
    relation, record_id, live_record_id, is_live, is_there, entry_id, entry_at, removed_by, target, exact, fields, left_image, left_exact
  )
  select
    f.relation, f.record_id,
    -- A row that is gone is looked for under the key it had.
    case when l.action in ('DELETE', 'TRUNCATE') then f.record_id else coalesce(l.new_record_id, l.record_id) end,
    l.action not in ('DELETE', 'TRUNCATE'), f.action <> 'INSERT', f.id, f.created_at,
    case when f.action in ('DELETE', 'TRUNCATE') then f.txid end, f.old_values, nullif(f.exact_values -> 'old', 'null'),
    case when p_undo and f.action = 'UPDATE' then f.changed_fields end,
    case when p_undo then coalesce(l.new_values, 'null') end,
    case when p_undo then nullif(l.exact_values -> 'new', 'null') end
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
    case when p_undo then nullif(e.exact_values -> 'new', 'null') end
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

create or replace function audit.overlay_image(p_image jsonb, p_over jsonb) returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
return case when p_over is null then p_image when p_image is null or p_image = 'null' or p_over = 'null' then p_over else p_image || p_over end;
comment on function audit.overlay_image(jsonb, jsonb) is 'An image with the columns of another laid over it; JSON null is no row.';

create or replace function audit.some_of_image(p_image jsonb, p_columns text[]) returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
return (select coalesce(jsonb_object_agg(c, p_image -> c), '{}') from unnest(p_columns) c);
comment on function audit.some_of_image(jsonb, text[]) is 'These columns of an image alone; null where it does not have one.';

-- Records that the undone changes touched several times, with others' changes between them perhaps: each column goes back to
-- what the first of them that changed it found. One that did not find what the one before it left is a conflict.
drop function if exists audit.undo_each(oid);
create or replace function audit.undo_each() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entry record;
  v_draft record;
  -- Before the first change of the whole row; which columns were changed until then, and what they held.
  v_is_past boolean;
  v_firsts jsonb;
  v_firsts_exact jsonb;
  v_old_exact jsonb;
  v_new_exact jsonb;
  v_columns text[];
begin
  for v_entry in
    select p.draft_id, e.*, row_number() over w = 1 as is_first, lead(e.id) over w is null as is_last
    from pg_temp.restore_parts p
    join pg_temp.restore_entries e on e.id = p.id
    window w as (partition by p.draft_id order by e.id)
    order by p.draft_id, e.id
  loop
    v_old_exact := coalesce(nullif(v_entry.exact_values -> 'old', 'null'), '{}');
    v_new_exact := coalesce(nullif(v_entry.exact_values -> 'new', 'null'), '{}');
    if v_entry.is_first then
      select * into v_draft from pg_temp.restore_draft where draft_id = v_entry.draft_id;
      v_draft.fields := '{}';
      v_draft.left_image := null;
      v_draft.left_exact := '{}';
      v_is_past := false;
      v_firsts := '{}';
      v_firsts_exact := '{}';
    elsif (v_draft.left_image = 'null') <> (v_entry.action = 'INSERT')
      or v_draft.left_image <> 'null' and exists (
        select from jsonb_each(v_draft.left_image) f
        where (v_entry.action <> 'UPDATE' or f.key = any (v_entry.changed_fields)) and f.value::text is distinct from (v_entry.old_values -> f.key)::text
      )
    then
      v_draft.conflict := 'changed_since';
    end if;
    if not v_is_past and v_entry.action <> 'INSERT' then
      v_columns := array(select c from unnest(v_entry.changed_fields) c where not v_firsts ? c);
      v_firsts := v_firsts || audit.some_of_image(v_entry.old_values, v_columns);
      v_firsts_exact := v_firsts_exact || audit.some_of_image(v_old_exact, v_columns);
      v_draft.target := v_entry.old_values || v_firsts;
      v_draft.exact := jsonb_strip_nulls(v_old_exact || v_firsts_exact);
      v_draft.fields := v_draft.fields || v_columns;
    end if;
    if v_entry.action <> 'UPDATE' then
      v_is_past := true;
      v_draft.fields := null;
    end if;
    v_draft.left_exact := case
      when v_entry.action = 'UPDATE' then v_draft.left_exact || audit.some_of_image(v_new_exact, v_entry.changed_fields)
      else v_new_exact
    end;
    v_draft.left_image := audit.overlay_image(v_draft.left_image, coalesce(v_entry.new_values, 'null'));
    if v_entry.is_last then
      update pg_temp.restore_draft
      set
        target = v_draft.target, exact = nullif(v_draft.exact, '{}'), fields = v_draft.fields, conflict = v_draft.conflict,
        left_image = v_draft.left_image, left_exact = nullif(jsonb_strip_nulls(v_draft.left_exact), '{}')
      where draft_id = v_entry.draft_id;
    end if;
  end loop;
end
$$;
comment on function audit.undo_each() is 'Undoes the changes of records that were changed several times, column by column; for draft_rows().';

-- What a restore did, the other way round: inserted rows go, others are as its snapshot has them.
create or replace function audit.draft_rollback(p_run uuid) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into pg_temp.restore_draft (
    relation, record_id, live_record_id, is_there, target, exact, fields, left_image, left_exact
  )
  select
    i.relation, coalesce(i.live_record_id, i.record_id), i.record_id, s.position is not null, s.image, s.exact,
    case when i.action <> 'delete' and s.position is not null then coalesce(i.columns, array(select jsonb_object_keys(i.target))) end,
    case i.action
      when 'insert' then i.target
      when 'update' then (select jsonb_object_agg(c, i.target -> c) from unnest(i.columns) c)
      else 'null'
    end,
    i.target_exact
  from audit.restore_items i
  join audit.restore_outcomes o on o.run_id = i.run_id and o.position = i.position and o.outcome = 'applied'
  left join audit.restore_snapshot_rows s on s.run_id = i.run_id and s.position = i.position
  where i.run_id = p_run;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function audit.draft_rollback(uuid) is 'Drafts to undo what a restore applied, from its snapshot; returns how many rows.';

-- Where a row is still exactly as the restore left it, all of it goes back, what the application's triggers changed included.
create or replace function audit.widen_rollback(p_run uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  create temp table restore_left on commit drop as
  select i.relation, i.record_id, o.digest
  from audit.restore_items i
  join lateral (
    select o.digest from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position offset 0
  ) o on true
  where i.run_id = p_run and i.action = 'update';
  analyze pg_temp.restore_left;
  update pg_temp.restore_draft d
  set fields = null
  from pg_temp.restore_live l, pg_temp.restore_left r
  where d.is_there and d.fields is not null and l.draft_id = d.draft_id
    and r.relation = d.relation and r.record_id = d.live_record_id and r.digest = l.digest;
end
$$;
comment on function audit.widen_rollback(uuid) is 'Lets a rollback set back whole rows that nobody has touched since the restore.';
