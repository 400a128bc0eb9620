-- The order in which drafted rows are written, so that foreign keys hold after every statement.

-- Table by table where that does, else row by row.
create or replace function audit.order_draft(p_chunk_rows int) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_several_chunks constant boolean := p_chunk_rows < (select sum(row_count) from pg_temp.restore_actions);
begin
  if audit.keys_change_hands() or not audit.rank_coming(v_is_several_chunks) or not audit.rank_going(v_is_several_chunks) then
    delete from pg_temp.restore_ranks;
    perform audit.order_rows();
  end if;
end
$$;
comment on function audit.order_draft(int) is 'Orders the drafted rows so that foreign keys hold after every statement.';

create or replace function audit.keys_change_hands() returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (select from pg_temp.restore_takes) or exists (
    select from audit.foreign_keys_of(array(select relation from pg_temp.restore_actions where action = 'update')) k
    join pg_temp.restore_draft d on d.relation = k.parent and d.action = 'update' and d.columns && k.parent_columns
    where k.child in (select a.relation from pg_temp.restore_actions a)
  );
end
$$;
comment on function audit.keys_change_hands() is 'Whether drafted rows hand over unique values, or change keys that other drafted rows may reference.';

-- Parents come before children. Returns false where only the order of rows does.
create or replace function audit.rank_coming(p_is_several_chunks boolean) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_coming constant oid[] := array(select relation from pg_temp.restore_actions where action = 'insert' order by 1);
  v_left oid[];
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
  -- Within one statement the order of rows does not matter; images with other columns are other statements.
  if v_left = '{}' and exists (
    select from pg_temp.restore_edges e
    where e.child = e.parent and (
      p_is_several_chunks
      or 1 < (
        select count(distinct array(select jsonb_object_keys(d.target))) from pg_temp.restore_draft d where d.relation = e.child and d.action = 'insert'
      )
    )
  ) then
    perform audit.keep_true_edges(array(select e.child from pg_temp.restore_edges e where e.child = e.parent));
    v_left := array(select e.child from pg_temp.restore_edges e where e.child = e.parent);
  end if;
  drop table pg_temp.restore_edges;
  return v_left = '{}';
end
$$;
comment on function audit.rank_coming(boolean) is 'Ranks the tables in which rows come, parents first; for order_draft().';

-- Children go before parents. Returns false where only the order of rows does.
create or replace function audit.rank_going(p_is_several_chunks boolean) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_left oid[] := array(select relation from pg_temp.restore_actions where action = 'delete' order by 1);
  v_next oid[];
  v_rank int := 0;
begin
  if p_is_several_chunks and exists (select from audit.foreign_keys_of(v_left) k where k.child = k.parent) then
    return false;
  end if;
  while v_left <> '{}' loop
    v_next := array(
      select r from unnest(v_left) r
      where not exists (
        select from audit.foreign_keys_of(v_left) k where k.parent = r and k.child <> r and k.child = any (v_left)
      )
    );
    if v_next = '{}' then
      return false;
    end if;
    insert into pg_temp.restore_ranks select r, 'delete', v_rank from unnest(v_next) r;
    v_left := array(select r from unnest(v_left) r where r <> all (v_next));
    v_rank := v_rank + 1;
  end loop;
  return true;
end
$$;
comment on function audit.rank_going(boolean) is 'Ranks the tables in which rows go, children first; for order_draft().';

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
comment on function audit.rank_parents_first(oid[], text) is 'Ranks tables by restore_edges; returns those that a circle keeps from a rank. For rank_coming().';

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
comment on function audit.keep_true_edges(oid[]) is 'Takes out the edges along which no row references another. For rank_coming().';
