-- The order in which drafted rows are written, so that foreign keys hold after every statement.

-- Parents before children where rows come, children before parents where they go.
create or replace function audit.order_draft(p_chunk_rows int) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_coming constant oid[] := array(select relation from pg_temp.restore_actions where action = 'insert' order by 1);
  v_going constant oid[] := array(select relation from pg_temp.restore_actions where action = 'delete' order by 1);
  v_is_several_chunks constant boolean := p_chunk_rows < (select sum(row_count) from pg_temp.restore_actions);
  v_relation oid;
  v_left oid[];
  v_next oid[];
  v_rank int := 0;
begin
  create temp table restore_edges (child oid, parent oid) on commit drop;
  insert into pg_temp.restore_edges
  select distinct k.child, k.parent from audit.foreign_keys_of(v_coming) k where k.child = any (v_coming) and k.parent = any (v_coming);
  v_left := audit.rank_parents_first(v_coming, 'insert');
  if v_left <> '{}' then
    -- Tables that reference each other in a circle; the rows themselves may not.
    perform audit.keep_true_edges(v_left);
    delete from pg_temp.restore_ranks;
    v_left := audit.rank_parents_first(v_coming, 'insert');
  end if;
  if v_left <> '{}' then
    insert into pg_temp.restore_ranks select r, 'insert', (select count(*) from pg_temp.restore_ranks) from unnest(v_left) r;
    perform audit.level_rows(v_left);
  end if;
  -- Within one statement the order of rows does not matter; over several chunks it does.
  for v_relation in
    select e.child
    from pg_temp.restore_edges e
    where e.child = e.parent and e.child <> all (v_left)
      and (
        v_is_several_chunks
        -- Images with other columns are other statements.
        or 1 < (
          select count(distinct array(select jsonb_object_keys(d.target))) from pg_temp.restore_draft d where d.relation = e.child and d.action = 'insert'
        )
      )
  loop
    perform audit.level_rows(array[v_relation]);
  end loop;
  drop table pg_temp.restore_edges;
  perform audit.order_updates(v_coming);
  -- What references a row that goes early goes early, too.
  while v_going <> '{}' loop
    update pg_temp.restore_draft d
    set is_early = true
    where d.action = 'delete' and not d.is_early and exists (
      select from audit.foreign_keys_of(v_going) k
      join pg_temp.restore_draft p on p.relation = k.parent and p.action = 'delete' and p.is_early
      where k.child = d.relation
    );
    exit when not found;
  end loop;
  perform audit.move_away_first(v_going);

  v_left := v_going;
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
    insert into pg_temp.restore_ranks select r, 'delete', v_rank from unnest(v_next) r;
    if cardinality(v_next) > 1 or v_is_several_chunks then
      perform audit.level_going_rows(v_next);
    end if;
    v_left := array(select r from unnest(v_left) r where r <> all (v_next));
    v_rank := v_rank + 1;
  end loop;
end
$$;
comment on function audit.order_draft(int) is 'Ranks the drafted rows so that foreign keys hold after every statement.';

-- Keys are set back parents first, and before rows come or change that reference them: those follow where the key cascades.
create or replace function audit.order_updates(p_coming oid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_changing constant oid[] := array(select relation from pg_temp.restore_actions where action = 'update' order by 1);
  v_left oid[];
begin
  if v_changing = '{}' then
    return;
  end if;
  create temp table restore_edges (child oid, parent oid) on commit drop;
  insert into pg_temp.restore_edges
  select distinct k.child, k.parent from audit.foreign_keys_of(v_changing) k where k.child = any (v_changing) and k.parent = any (v_changing);
  v_left := audit.rank_parents_first(v_changing, 'update');
  insert into pg_temp.restore_ranks select r, 'update', cardinality(v_changing) from unnest(v_left) r;
  drop table pg_temp.restore_edges;
  update pg_temp.restore_draft d
  set is_early = true
  where d.action = 'update' and exists (
    select from audit.foreign_keys_of(p_coming || v_changing) k
    where k.parent = d.relation and d.columns && k.parent_columns
      and (k.child = any (p_coming) or k.child = any (v_changing) and k.child <> k.parent)
  );
end
$$;
comment on function audit.order_updates(oid[]) is 'Ranks the rows that change; those whose keys others reference are early. For order_draft().';

-- What references a row that goes early, and is to reference another one that is there, moves away before.
create or replace function audit.move_away_first(p_going oid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
begin
  for v_key in
    select k.* from audit.foreign_keys_of(p_going) k
    where exists (select from pg_temp.restore_draft d where d.relation = k.parent and d.action = 'delete' and d.is_early)
      and exists (select from pg_temp.restore_draft d where d.relation = k.child and d.action = 'update' and d.columns && k.child_columns)
  loop
    execute format(
      'update pg_temp.restore_draft c set is_early = true, turn = -1 '
      'from pg_temp.restore_live cl, pg_temp.restore_draft p join pg_temp.restore_live pl on pl.draft_id = p.draft_id '
      'where cl.draft_id = c.draft_id and c.relation = %s and c.action = ''update'' and c.turn = 0 and c.columns && %L::text[] '
      'and p.relation = %s and p.action = ''delete'' and p.is_early and %s '
      'and not exists (select from pg_temp.restore_draft n where n.relation = %3$s and n.action = ''insert'' and %s)',
      v_key.child, v_key.child_columns, v_key.parent,
      audit.reference_sql('cl.image', v_key.child_columns, 'pl.image', v_key.parent_columns),
      audit.reference_sql('c.target', v_key.child_columns, 'n.target', v_key.parent_columns)
    );
  end loop;
end
$$;
comment on function audit.move_away_first(oid[]) is 'Lets rows that change leave rows that go early. For order_draft().';

-- Ranks the tables of an action, parents first, as far as no circle of restore_edges is in the way; returns the others.
create or replace function audit.rank_parents_first(p_relations oid[], p_action text) returns oid[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_left oid[] := p_relations;
  v_next oid[];
  v_rank int := 0;
begin
  loop
    v_next := array(
      select r from unnest(v_left) r
      where not exists (
        select from pg_temp.restore_edges e where e.child = r and e.parent <> r and e.parent = any (v_left)
      )
    );
    exit when v_next = '{}';
    insert into pg_temp.restore_ranks select r, p_action, v_rank from unnest(v_next) r;
    v_left := array(select r from unnest(v_left) r where r <> all (v_next));
    v_rank := v_rank + 1;
  end loop;
  return v_left;
end
$$;
comment on function audit.rank_parents_first(oid[], text) is 'Ranks tables by restore_edges; returns those that a circle keeps from a rank. For order_draft().';

-- Of the edges among some tables only those stay along which a row that comes references another.
create or replace function audit.keep_true_edges(p_relations oid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_refers boolean;
begin
  delete from pg_temp.restore_edges where child = any (p_relations) and parent = any (p_relations);
  for v_key in select * from audit.foreign_keys_of(p_relations) where child = any (p_relations) and parent = any (p_relations) loop
    -- Generated columns are not in the images.
    v_refers := exists (
      select from audit.restore_columns(v_key.child) c where not c.is_writable and c.name = any (v_key.child_columns)
      union all
      select from audit.restore_columns(v_key.parent) c where not c.is_writable and c.name = any (v_key.parent_columns)
    );
    if not v_refers then
      execute format(
        -- Counted, because the planner would look for a first pair with nested loops.
        'select count(*) > 0 from pg_temp.restore_draft c join pg_temp.restore_draft p on %s '
        'where c.relation = %s and p.relation = %s and c.action = ''insert'' and p.action = ''insert'' and c.draft_id <> p.draft_id',
        audit.reference_sql('c.target', v_key.child_columns, 'p.target', v_key.parent_columns), v_key.child, v_key.parent
      ) into v_refers;
    end if;
    if v_refers then
      insert into pg_temp.restore_edges select v_key.child, v_key.parent
      where not exists (select from pg_temp.restore_edges e where e.child = v_key.child and e.parent = v_key.parent);
    end if;
  end loop;
end
$$;
comment on function audit.keep_true_edges(oid[]) is 'Takes out the edges along which no row references another. For order_draft().';
