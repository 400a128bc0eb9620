-- The drafted rows become the items of a run: what to do with each, in which order, in which chunk.

-- p_where: [{column, values: [text or null, …]}], all of which must hold for the row as it was, or as it is if it was not there.
create or replace function audit.filter_draft(p_where jsonb) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from pg_temp.restore_draft d
  using pg_temp.restore_draft o
  left join pg_temp.restore_live r on r.draft_id = o.draft_id
  where d.draft_id = o.draft_id and exists (
    select from jsonb_array_elements(p_where) f
    where not exists (
      select from jsonb_array_elements_text(f -> 'values') v
      where v is not distinct from (case when o.is_there then o.target else r.image end) ->> (f ->> 'column')
    )
  );
end
$$;
comment on function audit.filter_draft(jsonb) is 'Leaves only the drafted rows that a filter of columns and values finds.';

create or replace function audit.image_difference(p_target jsonb, p_exact jsonb, p_live jsonb, p_live_exact jsonb, p_fields text[])
returns text[]
language sql immutable
as $$
  select array(
    select e.key
    from jsonb_each(p_target) e
    where (p_fields is null or e.key = any (p_fields))
      and (e.value::text is distinct from (p_live -> e.key)::text or p_exact ->> e.key is distinct from p_live_exact ->> e.key)
    order by e.key
  )
$$;
comment on function audit.image_difference(jsonb, jsonb, jsonb, jsonb, text[]) is
  'The columns in which a row differs from what it is to be, to the last digit.';

-- Says of each drafted row what to do, and drops those that need nothing: rows that are as they should be, and, unless
-- p_strict, rows that came after the point. Returns how many of those stay.
create or replace function audit.decide_actions(p_strict boolean) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_stay int;
begin
  delete from pg_temp.restore_draft d
  where not d.is_there and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
  with gone as (
    delete from pg_temp.restore_draft d where not d.is_there and not p_strict returning 1
  )
  select count(*) into v_stay from gone;
  update pg_temp.restore_draft d
  set
    action = case when not d.is_there then 'delete' when r.draft_id is null then 'insert' else 'update' end,
    columns = case
      when d.is_there and r.draft_id is not null
      then audit.image_difference(d.target, d.exact, r.image, r.exact, d.fields)
    end
  from pg_temp.restore_draft o
  left join pg_temp.restore_live r on r.draft_id = o.draft_id
  where d.draft_id = o.draft_id;
  delete from pg_temp.restore_draft where action = 'update' and columns = '{}';
  insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
  select 'blocking', 'identity_changed', d.relation, d.record_id, jsonb_build_object('column', c.name)
  from pg_temp.restore_draft d
  join lateral audit.restore_columns(d.relation) c on c.is_fixed_identity and c.name = any (d.columns)
  where d.action = 'update' and d.columns is not null;
  analyze pg_temp.restore_draft;
  return v_stay;
end
$$;
comment on function audit.decide_actions(boolean) is 'Leaves only the drafted rows for which there is something to do, and says what.';

-- Parents before children where rows come, children before parents where they go.
create or replace function audit.order_draft(p_chunk_rows int) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_coming constant oid[] := array(select distinct relation from pg_temp.restore_draft where action = 'insert');
  v_going constant oid[] := array(select distinct relation from pg_temp.restore_draft where action = 'delete');
  v_key record;
  v_refers boolean;
  v_left oid[] := v_coming;
  v_next oid[];
  v_rank int := 0;
begin
  create temp table restore_edges (child oid, parent oid) on commit drop;
  for v_key in select * from audit.foreign_keys_of(v_coming) where child = any (v_coming) and parent = any (v_coming) loop
    execute format(
      'select exists (select from pg_temp.restore_draft c join pg_temp.restore_draft p on %s '
      'where c.relation = %s and p.relation = %s and c.action = ''insert'' and p.action = ''insert'' and c.draft_id <> p.draft_id)',
      audit.reference_sql('c.target', v_key.child_columns, 'p.target', v_key.parent_columns), v_key.child, v_key.parent
    ) into v_refers;
    if v_refers then
      insert into pg_temp.restore_edges values (v_key.child, v_key.parent);
    end if;
  end loop;
  loop
    v_next := array(
      select r from unnest(v_left) r
      where not exists (
        select from pg_temp.restore_edges e where e.child = r and e.parent <> r and e.parent = any (v_left)
      )
    );
    exit when v_next = '{}';
    update pg_temp.restore_draft set rank = v_rank where relation = any (v_next) and action = 'insert';
    v_left := array(select r from unnest(v_left) r where r <> all (v_next));
    v_rank := v_rank + 1;
  end loop;
  if v_left <> '{}' then
    update pg_temp.restore_draft set rank = v_rank where relation = any (v_left) and action = 'insert';
    perform audit.level_rows(v_left);
  end if;
  -- Within one statement the order of rows does not matter; over several chunks it does.
  for v_key in
    select e.child
    from pg_temp.restore_edges e
    where e.child = e.parent and e.child <> all (v_left)
      and p_chunk_rows < (select count(*) from pg_temp.restore_draft)
  loop
    perform audit.level_rows(array[v_key.child]);
  end loop;
  drop table pg_temp.restore_edges;

  v_left := v_going;
  v_rank := 0;
  while v_left <> '{}' loop
    v_next := array(
      select r from unnest(v_left) r
      where not exists (
        select from audit.foreign_keys_of(v_left) k where k.parent = r and k.child <> r and k.child = any (v_left)
      )
    );
    if v_next = '{}' then
      v_next := v_left;
    end if;
    update pg_temp.restore_draft set rank = v_rank where relation = any (v_next) and action = 'delete';
    v_left := array(select r from unnest(v_left) r where r <> all (v_next));
    v_rank := v_rank + 1;
  end loop;
end
$$;
comment on function audit.order_draft(int) is 'Ranks the drafted rows so that foreign keys hold after every statement.';

-- Tables that reference each other, or themselves, row by row: a row's level is above its parents'. Rows in a circle share
-- one level, in one table because one statement writes them, over several because deferred constraints allow it.
create or replace function audit.level_rows(p_relations oid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_level int := 0;
  v_count int;
  v_pass int;
begin
  create temp table restore_references (child int, parent int, name text, is_hard boolean) on commit drop;
  for v_key in select * from audit.foreign_keys_of(p_relations) where child = any (p_relations) and parent = any (p_relations) loop
    execute format(
      'insert into pg_temp.restore_references select c.draft_id, p.draft_id, %L, %L '
      'from pg_temp.restore_draft c join pg_temp.restore_draft p on %s '
      'where c.relation = %s and p.relation = %s and c.action = ''insert'' and p.action = ''insert'' and c.draft_id <> p.draft_id',
      format('%s on %s', v_key.name, v_key.child::regclass), not v_key.is_deferrable,
      audit.reference_sql('c.target', v_key.child_columns, 'p.target', v_key.parent_columns), v_key.child, v_key.parent
    );
  end loop;
  create index on pg_temp.restore_references (child);
  analyze pg_temp.restore_references;
  -- First by all references; what is left is circles, which only the hard references order.
  for v_pass in 1..2 loop
    loop
      update pg_temp.restore_draft d
      set level = v_level, is_cyclic = v_pass = 2
      where d.relation = any (p_relations) and d.action = 'insert' and d.level is null and not exists (
        select from pg_temp.restore_references e
        join pg_temp.restore_draft p on p.draft_id = e.parent
        where e.child = d.draft_id and p.level is null and (v_pass = 1 or e.is_hard)
      );
      get diagnostics v_count = row_count;
      exit when v_count = 0;
      v_level := v_level + 1;
    end loop;
  end loop;
  if (select count(distinct relation) from pg_temp.restore_draft where relation = any (p_relations) and action = 'insert' and level is null) > 1 then
    insert into pg_temp.restore_problems (severity, code, detail)
    select 'blocking', 'cycle', jsonb_build_object('constraints', array_agg(distinct e.name))
    from pg_temp.restore_references e
    join pg_temp.restore_draft c on c.draft_id = e.child
    join pg_temp.restore_draft p on p.draft_id = e.parent
    where e.is_hard and c.level is null and p.level is null;
  end if;
  update pg_temp.restore_draft
  set level = v_level, is_cyclic = true
  where relation = any (p_relations) and action = 'insert' and level is null;
  drop table pg_temp.restore_references;
end
$$;
comment on function audit.level_rows(oid[]) is 'Orders rows that reference each other; a circle that nothing can defer is a problem, with its names.';

create or replace function audit.store_items(p_run uuid, p_chunk_rows int) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  with ordered as (
    select
      d.*,
      row_number() over w as position,
      dense_rank() over (order by d.phase, d.rank, d.level nulls first, d.name) as batch
    from (
      select d.*, c.name,
        case when d.is_early then 0 when d.action = 'insert' then 1 when d.action = 'update' then 2 else 3 end as phase
      from pg_temp.restore_draft d
      join (select t.relation, format('%I.%I', t.table_schema, t.table_name) as name from audit.tracked_tables t) c on c.relation = d.relation
    ) d
    window w as (order by d.phase, d.rank, d.level nulls first, d.name, d.record_id, d.live_record_id)
  )
  insert into audit.restore_items (
    run_id, position, chunk, batch, relation, record_id, live_record_id, action, origin, entry_id, columns, target, target_exact,
    live, live_exact, live_digest, conflict
  )
  select
    p_run, o.position,
    case when o.is_cyclic then min(1 + (o.position - 1) / p_chunk_rows) over (partition by o.is_cyclic) else 1 + (o.position - 1) / p_chunk_rows end,
    o.batch, o.relation, coalesce(case when o.is_there then o.record_id end, l.record_id), l.record_id, o.action, o.origin, o.entry_id, o.columns,
    case when o.is_there then o.target end, case when o.is_there then o.exact end, l.image, l.exact, l.digest, o.conflict
  from ordered o
  left join pg_temp.restore_live l on l.draft_id = o.draft_id;
end
$$;
comment on function audit.store_items(uuid, int) is 'Writes the drafted rows down as a run''s items.';

-- Whether the plan is still the one that somebody saw.
create or replace function audit.items_digest(p_run uuid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select encode(sha256(coalesce(string_agg(sha256(convert_to(
    row(i.chunk, i.batch, i.relation, i.record_id, i.live_record_id, i.action, i.entry_id, i.columns, i.target, i.target_exact,
      i.live_digest, i.conflict)::text, 'UTF8')), ''::bytea order by i.position), ''::bytea)), 'hex')
  from audit.restore_items i
  where i.run_id = p_run
);
comment on function audit.items_digest(uuid) is 'SHA-256 over all items of a run, in order.';
