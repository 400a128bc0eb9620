-- What stands in the way of a drafted restore, noted in restore_problems: blocking, loss (somebody has to see it first) or note.

-- The target images become what can be written today: columns that are gone are lost, hidden ones cannot be had.
create or replace function audit.map_columns(p_only text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_today text[];
  v_writable text[];
  v_hidden text[];
  v_required text[];
begin
  for v_relation in select distinct relation from pg_temp.restore_draft order by 1 loop
    select
      array_agg(c.name), array_agg(c.name) filter (where c.is_writable), coalesce(array_agg(c.name) filter (where c.is_hidden), '{}'),
      coalesce(array_agg(c.name) filter (where c.is_required), '{}')
    into v_today, v_writable, v_hidden, v_required
    from audit.restore_columns(v_relation) c;

    insert into pg_temp.restore_problems (severity, code, relation, detail)
    select 'loss', 'column_dropped', v_relation, jsonb_build_object('column', k, 'rows', count(*))
    from pg_temp.restore_draft d
    cross join jsonb_object_keys(d.target - v_today) k
    where d.relation = v_relation and d.is_there and (d.fields is null or k = any (d.fields))
    group by k;
    -- What is hidden from the history now, or was when the image was taken.
    insert into pg_temp.restore_problems (severity, code, relation, detail)
    select
      case when h.name = any (v_required) then 'blocking' else 'loss' end, 'column_hidden', v_relation,
      jsonb_build_object('column', h.name, 'rows', count(*), 'isRequired', h.name = any (v_required))
    from pg_temp.restore_draft d
    left join pg_temp.restore_live r on r.draft_id = d.draft_id
    cross join lateral (
      select unnest(v_hidden) as name
      union
      select e.key from jsonb_each(d.target) e where d.target::text like '%"[redacted]"%' and e.value = '"[redacted]"' and e.key = any (v_today)
    ) h
    where d.relation = v_relation and d.is_there and r.draft_id is null
    group by h.name;

    update pg_temp.restore_draft d
    set target = d.target - array(
      select k from jsonb_object_keys(d.target) k where k <> all (v_writable) or d.target -> k = '"[redacted]"'
    )
    where d.relation = v_relation and d.is_there
      and (d.target - v_writable <> '{}' or d.target::text like '%"[redacted]"%');

    insert into pg_temp.restore_problems (severity, code, relation, detail)
    select 'blocking', 'column_required', v_relation, jsonb_build_object('column', c, 'rows', count(*))
    from pg_temp.restore_draft d
    left join pg_temp.restore_live r on r.draft_id = d.draft_id
    cross join unnest(v_required) c
    where d.relation = v_relation and d.is_there and r.draft_id is null and not d.target ? c and c <> all (v_hidden)
    group by c;

    if p_only is not null then
      insert into pg_temp.restore_problems (severity, code, relation, record_id)
      select 'blocking', 'row_missing', v_relation, d.record_id
      from pg_temp.restore_draft d
      where d.relation = v_relation and d.is_there and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
      update pg_temp.restore_draft
      set fields = array(select c from unnest(p_only) c where fields is null or c = any (fields))
      where relation = v_relation;
    end if;
    perform audit.try_casts(v_relation);
  end loop;
end
$$;
comment on function audit.map_columns(text[]) is
  'Maps the images to the columns of today and notes what is lost; p_only restricts a restore to these columns of rows that are there.';

-- jsonb_to_record() of an image as the row __r, and each column's value: its kept text where JSON lost something.
create or replace function audit.image_record_sql(p_relation oid, p_columns text[]) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select '__r (' || string_agg(format('%I %s', c.name, c.type), ', ' order by c.name) || ')'
  from audit.restore_columns(p_relation) c
  where c.name = any (p_columns)
);
comment on function audit.image_record_sql(oid, text[]) is 'The column list that jsonb_to_record() needs for an image of a table.';

create or replace function audit.image_value_sql(p_relation oid, p_column text, p_exact text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case c.fidelity
    when 'exact' then format('__r.%I', c.name)
    else format('case when %1$s ? %2$L then (%1$s ->> %2$L)::%3$s else __r.%4$I end', p_exact, c.name, c.type, c.name)
  end
  from audit.restore_columns(p_relation) c
  where c.name = p_column
);
comment on function audit.image_value_sql(oid, text, text) is 'SQL for the value of a column: from the record __r, or its exact text.';

-- Whether every image fits the types of today, and comes out as it went in.
create or replace function audit.try_casts(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_columns text[];
  v_column text;
  v_record text;
  v_changed bigint;
begin
  select array_agg(c.name) into v_columns from audit.restore_columns(p_relation) c where c.is_writable;
  v_record := audit.image_record_sql(p_relation, v_columns);
  begin
    execute format(
      'select count(*) from pg_temp.restore_draft __d cross join lateral jsonb_to_record(__d.target) as %s '
      'where __d.relation = %s and __d.is_there and not to_jsonb(__r) @> __d.target',
      v_record, p_relation
    ) into v_changed;
    if v_changed = 0 then
      return;
    end if;
  exception
    when others then
      null;
  end;
  foreach v_column in array v_columns loop
    begin
      execute format(
        'select count(*) from pg_temp.restore_draft __d cross join lateral jsonb_to_record(__d.target) as %s '
        'where __d.relation = %s and __d.is_there and (__d.fields is null or %L = any (__d.fields)) and __d.target ->> %L is not null '
        'and to_jsonb(__r) ->> %L is distinct from __d.target ->> %L',
        audit.image_record_sql(p_relation, array[v_column]), p_relation, v_column, v_column, v_column, v_column
      ) into v_changed;
      if v_changed > 0 then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('loss', 'column_retyped', p_relation, jsonb_build_object('column', v_column, 'rows', v_changed));
      end if;
    exception
      when others then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'column_retyped', p_relation, jsonb_build_object('column', v_column, 'sqlstate', sqlstate));
    end;
  end loop;
end
$$;
comment on function audit.try_casts(oid) is 'Notes columns whose drafted values do not fit their type of today, or come out of it changed.';

-- Values that another row holds by now. A holder that itself goes or gives the value back does so first.
create or replace function audit.check_unique() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_index record;
begin
  for v_index in
    select i.indrelid as relation, i.indexrelid::regclass::text as name, c.columns
    from (select distinct relation from pg_temp.restore_draft where is_there) r
    join pg_index i on i.indrelid = r.relation and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    cross join lateral (
      select array_agg(a.attname::text order by k.o) as columns
      from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k (n, o)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n
    ) c
    order by 1, 2
  loop
    execute format(
      $sql$
create temp table restore_holders on commit drop as
select __d.draft_id, __d.record_id, %1$s as holder
from pg_temp.restore_draft __d
left join pg_temp.restore_live __l on __l.draft_id = __d.draft_id
cross join lateral jsonb_to_record(__d.target) as %2$s
join %3$s __t on %4$s
where __d.relation = %5$s and __d.is_there and __d.target ?& %6$L::text[]
  and (__l.draft_id is null or not (%7$s)) and (__d.fields is null or __d.fields && %6$L::text[])
  and (__l.draft_id is null or __l.record_id <> %1$s)
$sql$,
      audit.record_key_sql(v_index.relation, '__t'), audit.image_record_sql(v_index.relation, v_index.columns),
      v_index.relation::regclass, (select string_agg(format('__t.%I = __r.%I', c, c), ' and ') from unnest(v_index.columns) c),
      v_index.relation, v_index.columns,
      (select string_agg(format('__d.target -> %L is not distinct from __l.image -> %L', c, c), ' and ') from unnest(v_index.columns) c)
    );
    update pg_temp.restore_draft d
    set is_early = true
    from pg_temp.restore_holders h
    where d.relation = v_index.relation and d.live_record_id = h.holder and d.draft_id <> h.draft_id;
    update pg_temp.restore_draft d
    set conflict = coalesce(d.conflict, 'unique_clash')
    from pg_temp.restore_holders h
    where d.draft_id = h.draft_id and not exists (
      select from pg_temp.restore_draft o where o.relation = v_index.relation and o.live_record_id = h.holder and o.draft_id <> h.draft_id
    );
    insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
    select 'conflict', 'unique_clash', v_index.relation, h.record_id, jsonb_build_object('index', v_index.name, 'columns', v_index.columns, 'holder', h.holder)
    from pg_temp.restore_holders h
    where not exists (
      select from pg_temp.restore_draft o where o.relation = v_index.relation and o.live_record_id = h.holder and o.draft_id <> h.draft_id
    );
    drop table pg_temp.restore_holders;
  end loop;
end
$$;
comment on function audit.check_unique() is 'Notes drafted rows whose unique values other rows hold.';

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
    from audit.foreign_keys_of(array(select distinct relation from pg_temp.restore_draft where not is_there)) k
    where k.parent in (select relation from pg_temp.restore_draft where not is_there)
  loop
    if not has_table_privilege(v_key.child, 'select') then
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
select 'blocking', 'dependents', %1$s, d.record_id, jsonb_build_object('constraint', %2$L::text, 'child', %3$L::text, 'rows', count(*))
from pg_temp.restore_draft d
join pg_temp.restore_live l on l.draft_id = d.draft_id
join %4$s __t on %5$s
where d.relation = %1$s and not d.is_there and not exists (
  select from pg_temp.restore_draft c where %6$s
)
group by d.record_id
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
      )
    );
  end loop;
end
$$;
comment on function audit.check_dependents() is 'Notes rows that keep a row from going, or that would go with it unseen.';

create or replace function audit.check_access() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into pg_temp.restore_problems (severity, code, relation)
  select 'blocking', 'no_access', r.relation
  from (select distinct relation from pg_temp.restore_draft) r
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
  where t.root in (select relation from pg_temp.restore_draft)
    and coalesce(g.ended_at, 'infinity') > coalesce((select min(entry_at) from pg_temp.restore_draft where relation = t.root), '-infinity');
end
$$;
comment on function audit.check_access() is 'Notes tables that the worker may not restore, and times in which their history is not whole.';
