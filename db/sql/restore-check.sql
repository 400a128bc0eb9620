-- What stands in the way of a drafted restore, noted in restore_problems: blocking, loss (somebody has to see it first) or note.

-- Children that went with a row by a cascade and have no history: nobody can say which they were.
create or replace function audit.check_lost_children() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into pg_temp.restore_problems (severity, code, relation, detail)
  select
    case k.on_delete when 'c' then 'loss' else 'note' end, 'unseen_children', k.parent,
    jsonb_build_object('constraint', k.name, 'child', k.child::regclass::text)
  from audit.foreign_keys_of(array(select relation from pg_temp.restore_actions where action = 'insert')) k
  where k.on_delete in ('c', 'n', 'd')
    and k.parent in (select a.relation from pg_temp.restore_actions a where a.action = 'insert')
    and not exists (select from audit.tracked_tables t where t.relation = k.child);
end
$$;
comment on function audit.check_lost_children() is 'Notes tables without a history that may have lost rows together with the rows that come back.';

-- Children of a row that a clash keeps away can come back no more than it can.
create or replace function audit.spread_clashes() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
  v_count int;
  v_found boolean;
begin
  if not exists (select from pg_temp.restore_problems where code = 'unique_clash') then
    return;
  end if;
  loop
    v_found := false;
    for v_key in
      select k.* from audit.foreign_keys_of(array(select relation from pg_temp.restore_actions where action = 'insert')) k
    loop
      execute format(
        'update pg_temp.restore_draft c set conflict = ''parent_clash'' from pg_temp.restore_draft p '
        'where c.relation = %s and c.action = ''insert'' and c.conflict is null '
        'and p.relation = %s and p.action = ''insert'' and p.conflict in (''unique_clash'', ''parent_clash'') and %s',
        v_key.child, v_key.parent, audit.reference_sql('c.target', v_key.child_columns, 'p.target', v_key.parent_columns)
      );
      get diagnostics v_count = row_count;
      v_found := v_found or v_count > 0;
    end loop;
    exit when not v_found;
  end loop;
  insert into pg_temp.restore_problems (severity, code, relation, record_id)
  select 'conflict', 'parent_clash', relation, record_id from pg_temp.restore_draft where conflict = 'parent_clash';
end
$$;
comment on function audit.spread_clashes() is 'Marks rows whose parent a unique value keeps from coming back.';

-- Rows that reference a row which is to go, and do not go themselves: a cascade would take rows that no plan shows.
create or replace function audit.check_dependents() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key record;
begin
  for v_key in
    select k.*
    from audit.foreign_keys_of(array(select distinct relation from pg_temp.restore_actions where action <> 'insert')) k
    where exists (
      select from pg_temp.restore_draft d
      where d.relation = k.parent and (d.action = 'delete' or d.action = 'update' and d.columns && k.parent_columns)
    )
  loop
    if not (
      has_schema_privilege((select relnamespace from pg_class where oid = v_key.child), 'usage') and has_table_privilege(v_key.child, 'select')
    ) then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      values (
        case when v_key.on_delete in ('a', 'r') then 'note' else 'blocking' end, 'unseen_dependents', v_key.parent,
        jsonb_build_object('constraint', v_key.name, 'child', v_key.child::regclass::text)
      );
      continue;
    end if;
    execute format(
      $sql$
insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
select
  case when d.action = 'update' and %7$L in ('c', 'n', 'd') then 'note' else 'blocking' end,
  case when d.action = 'update' then 'key_dependents' else 'dependents' end,
  %1$s, d.record_id, jsonb_build_object('constraint', %2$L::text, 'child', %3$L::text, 'rows', count(*))
from pg_temp.restore_draft d
join pg_temp.restore_live l on l.draft_id = d.draft_id
join %4$s __t on %5$s
where d.relation = %1$s and (d.action = 'delete' or d.action = 'update' and d.columns && %8$L::text[]) and not exists (
  select from pg_temp.restore_draft c where %6$s
)
group by d.record_id, d.action
$sql$,
      v_key.parent, v_key.name, v_key.child::regclass::text, v_key.child::regclass,
      (
        select string_agg(format('__t.%I = (l.image ->> %L)::%s', k.c, k.p, format_type(a.atttypid, a.atttypmod)), ' and ')
        from unnest(v_key.child_columns, v_key.parent_columns) k (c, p)
        join pg_attribute a on a.attrelid = v_key.child and a.attname = k.c
      ),
      coalesce(
        (
          select format('c.relation = %s and c.live_record_id = %s and (not c.is_there or c.target ?& %L::text[] and not (%s))',
            v_key.child, audit.record_key_sql(v_key.child, '__t'), v_key.child_columns,
            audit.reference_sql('c.target', v_key.child_columns, 'l.image', v_key.parent_columns))
          from audit.tracked_tables t where t.relation = v_key.child
        ),
        'false'
      ),
      v_key.on_update, v_key.parent_columns
    );
  end loop;
end
$$;
comment on function audit.check_dependents() is 'Notes rows that keep a row from going, or that would go with it unseen.';

-- p_relations and p_since: the tables that were asked for, and the time, whether anything was found there or not.
create or replace function audit.check_access(p_relations oid[], p_since timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into pg_temp.restore_problems (severity, code, relation)
  select 'blocking', 'no_access', r.relation
  from (select distinct relation from pg_temp.restore_actions) r
  join pg_class c on c.oid = r.relation
  where not (
      has_table_privilege(r.relation, 'select') and has_table_privilege(r.relation, 'insert')
      and has_table_privilege(r.relation, 'update') and has_table_privilege(r.relation, 'delete')
    )
    or c.relrowsecurity and row_security_active(r.relation) and not exists (
      select from pg_policy p where p.polrelid = r.relation and p.polname = 'audit_worker_restores'
    );
  insert into pg_temp.restore_problems (severity, code, relation, detail)
  select 'loss', 'history_gap', g.relation, jsonb_build_object('from', g.began_at, 'to', g.ended_at, 'reason', g.reason)
  from audit.capture_gaps g
  join audit.tracked_tables t on t.relation = g.relation
  where (t.root = any (p_relations) or t.root in (select relation from pg_temp.restore_actions))
    and coalesce(g.ended_at, 'infinity')
      > coalesce(least(p_since, (select min(entry_at) from pg_temp.restore_draft where relation = t.root)), '-infinity');
end
$$;
comment on function audit.check_access(oid[], timestamptz) is 'Notes tables that the worker may not restore, and times in which their history is not whole.';

-- What the table's own constraints refuse, as far as it can be told from the rows alone.
create or replace function audit.check_constraints() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_check record;
  v_is_some boolean;
  v_count bigint;
begin
  for v_check in
    select r.relation, string_agg(format('target -> %L = ''null''', a.attname), ' or ') as finds_some
    from (select distinct relation from pg_temp.restore_actions where action in ('insert', 'update')) r
    join pg_attribute a on a.attrelid = r.relation and a.attnum > 0 and a.attnotnull and not a.attisdropped
    group by r.relation
  loop
    execute format('select bool_or(%s) from pg_temp.restore_draft where relation = %s', v_check.finds_some, v_check.relation) into v_is_some;
    continue when v_is_some is not true;
    insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
    select 'blocking', 'null_refused', d.relation, d.record_id, jsonb_build_object('column', a.attname)
    from pg_temp.restore_draft d
    join pg_attribute a on a.attrelid = d.relation and a.attnum > 0 and a.attnotnull and not a.attisdropped
    where d.relation = v_check.relation and d.target -> a.attname = 'null'
      and (d.action = 'insert' or d.action = 'update' and a.attname = any (d.columns));
  end loop;
  for v_check in
    select c.conrelid as relation, c.conname::text as name, pg_get_expr(c.conbin, c.conrelid) as expression, k.columns
    from pg_constraint c
    cross join lateral (
      select array_agg(a.attname::text) as columns from unnest(c.conkey) n join pg_attribute a on a.attrelid = c.conrelid and a.attnum = n
    ) k
    where c.contype = 'c' and c.conrelid in (select relation from pg_temp.restore_actions where action in ('insert', 'update'))
      and (select count(*) from audit.restore_columns(c.conrelid) w where w.is_writable and w.name = any (k.columns)) = cardinality(k.columns)
    order by 1, 2
  loop
    begin
      execute format(
        $sql$
select count(*) from (
  select %1$s
  from pg_temp.restore_draft __d
  left join pg_temp.restore_live __l on __l.draft_id = __d.draft_id
  cross join lateral jsonb_to_record(
    case when __d.action = 'insert' then __d.target else __l.image || audit.some_of_image(__d.target, __d.columns) end
  ) as %2$s
  where __d.relation = %3$s and (__d.action = 'insert' and __d.target ?& %4$L::text[] or __d.action = 'update' and __d.columns && %4$L::text[])
) __t
where not (%5$s)
$sql$,
        (select string_agg(format('(%s) as %I', audit.image_value_sql(v_check.relation, c, '__d.exact'), c), ', ') from unnest(v_check.columns) c),
        audit.image_record_sql(v_check.relation, v_check.columns), v_check.relation, v_check.columns, v_check.expression
      ) into v_count;
      if v_count > 0 then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'check_refused', v_check.relation, jsonb_build_object('constraint', v_check.name, 'rows', v_count));
      end if;
    exception
      -- A check that cannot be asked beforehand answers when the rows are written.
      when others then
        null;
    end;
  end loop;
end
$$;
comment on function audit.check_constraints() is 'Notes drafted rows that NOT NULL or a CHECK of today would refuse.';
