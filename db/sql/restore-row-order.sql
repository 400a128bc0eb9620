-- The order of drafted rows one by one, where that of their tables does not do: rows that hand keys or unique values over to
-- each other, and tables that reference each other in a circle, or themselves over several chunks.

drop function if exists audit.level_rows(oid[]);
drop function if exists audit.level_going_rows(oid[]);
drop function if exists audit.order_takers();

-- Each row's level is above those of the rows that it waits for.
create or replace function audit.order_rows() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_level int := 0;
  v_count int;
begin
  perform audit.note_waits();
  loop
    update pg_temp.restore_draft d
    set level = v_level
    where d.level is null and not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_draft e on e.draft_id = w.earlier
      where w.later = d.draft_id and e.level is null
    );
    get diagnostics v_count = row_count;
    if v_count > 0 then
      v_level := v_level + 1;
    else
      v_level := audit.level_circle(v_level);
      exit when v_level is null;
    end if;
  end loop;
  drop table pg_temp.restore_waits;
end
$$;
comment on function audit.order_rows() is 'Orders drafted rows by what each waits for; a circle that nothing can defer is a problem, with its names.';

-- References hold after every statement: a row comes after what it references and goes before it, and what changes its
-- reference leaves the one before that goes, and follows the other when that has come.
create or replace function audit.note_waits() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_relations constant oid[] := array(select distinct relation from pg_temp.restore_actions);
  v_pair constant text := 'from pg_temp.restore_states c join pg_temp.restore_states p on %s '
    'where c.relation = %s and p.relation = %s and c.draft_id <> p.draft_id';
begin
  create temp table restore_waits (later int, earlier int, name text, is_unique boolean, is_hard boolean) on commit drop;
  insert into pg_temp.restore_waits select taker, giver, index_name, true, is_hard from pg_temp.restore_takes;
  create temp table restore_states on commit drop as
  select
    d.draft_id, d.relation, d.action, d.columns, l.image as before,
    case d.action when 'insert' then d.target when 'update' then l.image || audit.some_of_image(d.target, d.columns) end as after
  from pg_temp.restore_draft d
  left join pg_temp.restore_live l on l.draft_id = d.draft_id;
  analyze pg_temp.restore_states (draft_id, relation, action);
  for v_key in
    select k.*, format('%s on %s', k.name, k.child::regclass) as title,
      exists (select from audit.restore_columns(k.child) c where c.key_position is not null and c.name = any (k.child_columns)) as is_in_key
    from audit.foreign_keys_of(v_relations) k
    where k.child = any (v_relations) and k.parent = any (v_relations)
  loop
    execute format(
      'insert into pg_temp.restore_waits select c.draft_id, p.draft_id, $1, false, $2 ' || v_pair
        || ' and (c.action = ''insert'' or c.action = ''update'' and c.columns && $3)'
        || ' and (p.action = ''insert'' or p.action = ''update'' and p.columns && $4)',
      audit.reference_sql('c.after', v_key.child_columns, 'p.after', v_key.parent_columns), v_key.child, v_key.parent
    ) using v_key.title, not v_key.is_deferrable, v_key.child_columns, v_key.parent_columns;
    execute format(
      'insert into pg_temp.restore_waits select p.draft_id, c.draft_id, $1, false, case p.action when ''delete'' then $2 else $3 end ' || v_pair
        || ' and (p.action = ''delete'' or p.action = ''update'' and p.columns && $5)'
        || ' and (c.action = ''delete'' or c.action = ''update'' and c.columns && $4 and (%s) is not true)',
      audit.reference_sql('c.before', v_key.child_columns, 'p.before', v_key.parent_columns), v_key.child, v_key.parent,
      audit.reference_sql('c.after', v_key.child_columns, 'p.after', v_key.parent_columns)
    ) using
      v_key.title,
      -- A cascade takes a row before its turn, or its key; null is replaced when its turn comes.
      case v_key.on_delete when 'c' then true when 'n' then false when 'd' then false when 'r' then true else not v_key.is_deferrable end,
      case v_key.on_update when 'c' then v_key.is_in_key when 'n' then false when 'd' then false when 'r' then true else not v_key.is_deferrable end,
      v_key.child_columns, v_key.parent_columns;
  end loop;
  drop table pg_temp.restore_states;
  create index on pg_temp.restore_waits (later);
  create index on pg_temp.restore_waits (earlier);
  analyze pg_temp.restore_waits;
end
$$;
comment on function audit.note_waits() is 'Notes which drafted row waits for which, by foreign keys and unique values; for order_rows().';

-- Rows that wait for each other, ordered by what cannot be deferred alone; one transaction writes them. Returns the next level;
-- null when no row is left, or no level can be found.
create or replace function audit.level_circle(p_level int) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_level int := p_level;
begin
  create temp table restore_circle on commit drop as
  select draft_id from pg_temp.restore_draft where level is null;
  if not exists (select from pg_temp.restore_circle) then
    drop table pg_temp.restore_circle;
    return null;
  end if;
  -- What none of them waits for is behind the circle.
  loop
    delete from pg_temp.restore_circle c
    where not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_circle l on l.draft_id = w.later
      where w.earlier = c.draft_id
    );
    exit when not found;
  end loop;
  update pg_temp.restore_draft d
  set circle = p_level
  from pg_temp.restore_circle c
  where c.draft_id = d.draft_id;
  loop
    update pg_temp.restore_draft d
    set level = v_level
    where d.level is null and d.circle = p_level and not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_draft e on e.draft_id = w.earlier
      where w.later = d.draft_id and w.is_hard and e.level is null
    );
    if not found then
      exit when not exists (select from pg_temp.restore_draft where level is null and circle = p_level);
      if not audit.level_knot(p_level, v_level) then
        v_level := null;
        exit;
      end if;
    end if;
    v_level := v_level + 1;
  end loop;
  drop table pg_temp.restore_circle;
  return v_level;
end
$$;
comment on function audit.level_circle(int) is 'Gives rows that wait for each other their levels, as deferred constraints allow; for order_rows().';

-- Rows of one table that wait for each other whatever is deferred are written by one statement, unless they hand unique values
-- round. Returns whether there are such; if not, what is left is a problem.
create or replace function audit.level_knot(p_circle int, p_level int) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_found boolean;
begin
  create temp table restore_knot on commit drop as
  select draft_id, relation, action, record_id from pg_temp.restore_draft where level is null and circle = p_circle;
  loop
    delete from pg_temp.restore_knot k
    where not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_knot l on l.draft_id = w.later
      where w.earlier = k.draft_id and w.is_hard
    );
    exit when not found;
  end loop;
  create temp table restore_ties on commit drop as
  select w.name, w.is_unique, l.relation, l.action, l.record_id, (e.relation, e.action) = (l.relation, l.action) as is_within
  from pg_temp.restore_waits w
  join pg_temp.restore_knot l on l.draft_id = w.later
  join pg_temp.restore_knot e on e.draft_id = w.earlier
  where w.is_hard;
  update pg_temp.restore_draft d
  set level = p_level
  from pg_temp.restore_knot k
  where k.draft_id = d.draft_id and (k.relation, k.action) = (
    select t.relation, t.action from pg_temp.restore_ties t
    group by t.relation, t.action
    having bool_and(t.is_within and not t.is_unique)
    order by t.relation, t.action
    limit 1
  );
  v_found := found;
  if not v_found then
    insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
    select distinct 'blocking', 'unique_circle', t.relation, t.record_id, jsonb_build_object('index', t.name)
    from pg_temp.restore_ties t
    where t.is_unique;
    if not found then
      insert into pg_temp.restore_problems (severity, code, detail)
      select 'blocking', 'cycle', jsonb_build_object('constraints', array_agg(distinct t.name)) from pg_temp.restore_ties t;
    end if;
    update pg_temp.restore_draft set level = p_level where level is null;
  end if;
  drop table pg_temp.restore_knot, pg_temp.restore_ties;
  return v_found;
end
$$;
comment on function audit.level_knot(int, int) is 'Gives rows that one statement has to write one level; for level_circle().';
