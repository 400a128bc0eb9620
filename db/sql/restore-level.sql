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
  if not exists (select from pg_temp.restore_references) then
    drop table pg_temp.restore_references;
    return;
  end if;
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

-- The same for rows that go: a row's level is above those that reference it, so that none goes by a cascade before its turn.
create or replace function audit.level_going_rows(p_relations oid[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_level int := 0;
  v_count int;
begin
  create temp table restore_references (child int, parent int) on commit drop;
  for v_key in select * from audit.foreign_keys_of(p_relations) where child = any (p_relations) and parent = any (p_relations) loop
    execute format(
      'insert into pg_temp.restore_references select c.draft_id, p.draft_id '
      'from pg_temp.restore_draft c join pg_temp.restore_live cl on cl.draft_id = c.draft_id '
      'join pg_temp.restore_live pl on %s join pg_temp.restore_draft p on p.draft_id = pl.draft_id '
      'where c.relation = %s and p.relation = %s and c.action = ''delete'' and p.action = ''delete'' and c.draft_id <> p.draft_id',
      audit.reference_sql('cl.image', v_key.child_columns, 'pl.image', v_key.parent_columns), v_key.child, v_key.parent
    );
  end loop;
  if exists (select from pg_temp.restore_references) then
    create index on pg_temp.restore_references (parent);
    analyze pg_temp.restore_references;
    loop
      update pg_temp.restore_draft d
      set level = v_level
      where d.relation = any (p_relations) and d.action = 'delete' and d.level is null and not exists (
        select from pg_temp.restore_references e
        join pg_temp.restore_draft c on c.draft_id = e.child
        where e.parent = d.draft_id and c.level is null
      );
      get diagnostics v_count = row_count;
      exit when v_count = 0;
      v_level := v_level + 1;
    end loop;
    update pg_temp.restore_draft
    set level = v_level, is_cyclic = true
    where relation = any (p_relations) and action = 'delete' and level is null;
  end if;
  drop table pg_temp.restore_references;
end
$$;
comment on function audit.level_going_rows(oid[]) is 'Orders rows that reference each other for their deletion; those in a circle go together.';
