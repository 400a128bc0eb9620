-- The drafted rows become the items of a run: what to do with each, in which order, in which chunk.

-- p_where: [{column, values: [text or null, …]}], all of which must hold for the row as it was, or as it is if it was not there.
create or replace function audit.filter_draft(p_where jsonb) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_filter record;
begin
  for v_filter in
    select r.relation, c.name, c.type, f -> 'values' as accepted
    from (select distinct relation from pg_temp.restore_draft) r
    cross join jsonb_array_elements(p_where) f
    cross join lateral (select * from audit.restore_columns(r.relation) c where c.name = f ->> 'column') c
  loop
    begin
      perform audit.filter_column(v_filter.relation, v_filter.name, v_filter.type, v_filter.accepted);
    exception
      -- Types that images hold in another form (arrays), that cannot be compared (json), or that old values do not fit.
      when others then
        perform audit.filter_column(v_filter.relation, v_filter.name, 'text', audit.filter_values(v_filter.relation, v_filter.name, v_filter.accepted));
    end;
  end loop;
end
$$;
comment on function audit.filter_draft(jsonb) is 'Leaves only the drafted rows that a filter of columns and values finds.';

-- One value may have several texts: 20.9 and 20.90, or a time in another zone. Null is found as a value.
create or replace function audit.filter_column(p_relation oid, p_column text, p_type text, p_values jsonb) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format(
    $sql$
delete from pg_temp.restore_draft d
using (
  select o.draft_id, case when o.is_there then o.target else r.image end ->> %1$L as value
  from pg_temp.restore_draft o
  left join pg_temp.restore_live r on r.draft_id = o.draft_id
  where o.relation = %2$s
) v
where d.draft_id = v.draft_id
  and array_position(array(select (x #>> '{}')::%3$s from jsonb_array_elements($1) x), v.value::%3$s) is null
$sql$,
    p_column, p_relation, p_type
  ) using p_values;
end
$$;
comment on function audit.filter_column(oid, text, text, jsonb) is
  'Leaves only the drafted rows of a table in which a column, read as a type, has one of some values.';

-- The values of a filter as images have them, beside what was given. Null: one is no value of the column.
create or replace function audit.filter_values(p_relation oid, p_column text, p_values jsonb) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_values jsonb;
begin
  execute format(
    'select coalesce(jsonb_agg(distinct x), ''[]'') from jsonb_array_elements($1) v '
    'cross join lateral (values (v), (to_jsonb((v #>> ''{}'')::%s))) o (y) '
    'cross join lateral (select coalesce(to_jsonb(y #>> ''{}''), ''null'')) z (x)',
    (select c.type from audit.restore_columns(p_relation) c where c.name = p_column)
  ) into v_values using p_values;
  return v_values;
exception
  when data_exception or integrity_constraint_violation then
    return null;
end
$$;
comment on function audit.filter_values(oid, text, jsonb) is 'The values of a filter as texts of images; null where one does not fit the column''s type.';

create or replace function audit.image_difference(p_target jsonb, p_exact jsonb, p_live jsonb, p_live_exact jsonb, p_fields text[])
returns text[]
language sql immutable
return array(
  select e.key
  from jsonb_each(p_target) e
  where (p_fields is null or e.key = any (p_fields))
    and (e.value::text is distinct from (p_live -> e.key)::text or p_exact ->> e.key is distinct from p_live_exact ->> e.key)
  order by e.key
);
comment on function audit.image_difference(jsonb, jsonb, jsonb, jsonb, text[]) is
  'The columns in which a row differs from what it is to be, to the last digit.';

-- Says of each drafted row what to do, and drops those that need nothing: rows that are as they should be, and, unless
-- p_strict, rows that came after the point. Returns how many of those stay.
create or replace function audit.decide_actions(p_strict boolean) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_stay int := 0;
begin
  if exists (select from pg_temp.restore_draft where not is_there) then
    delete from pg_temp.restore_draft d
    where not d.is_there and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
    delete from pg_temp.restore_draft d where not d.is_there and not p_strict;
    get diagnostics v_stay = row_count;
  end if;
  -- A row that was there is an insert unless its live row says otherwise.
  update pg_temp.restore_draft d
  set action = 'update', columns = audit.image_difference(d.target, d.exact, r.image, r.exact, d.fields)
  from pg_temp.restore_live r
  where r.draft_id = d.draft_id and d.is_there;
  if found then
    delete from pg_temp.restore_draft where action = 'update' and columns = '{}';
    -- A row whose key is not among the columns to set back keeps the key that it has.
    update pg_temp.restore_draft d
    set record_id = d.live_record_id
    where d.action = 'update' and d.record_id <> d.live_record_id and d.fields is not null and not exists (
      select from audit.restore_columns(d.relation) c where c.key_position is not null and c.name = any (d.fields)
    );
    insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
    select 'blocking', 'identity_changed', d.relation, d.record_id, jsonb_build_object('column', c.name)
    from (select distinct relation from pg_temp.restore_draft where action = 'update') r
    cross join lateral audit.restore_columns(r.relation) c
    join pg_temp.restore_draft d on d.relation = r.relation and c.name = any (d.columns)
    where c.is_fixed_identity and d.action = 'update';
  end if;
  insert into pg_temp.restore_actions select relation, action, count(*) from pg_temp.restore_draft group by relation, action;
  analyze pg_temp.restore_draft (draft_id, relation, record_id, live_record_id, action);
  return v_stay;
end
$$;
comment on function audit.decide_actions(boolean) is 'Leaves only the drafted rows for which there is something to do, and says what.';

create or replace function audit.store_items(p_run uuid, p_chunk_rows int) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Ordered by what is needed for that alone: the images are wide, the names of tables few.
  with kinds as materialized (
    select a.relation, a.action, coalesce(k.rank, 0) as rank, row_number() over (order by t.table_schema, t.table_name, a.action) as nth
    from pg_temp.restore_actions a
    join audit.tracked_tables t on t.relation = a.relation
    left join pg_temp.restore_ranks k on k.relation = a.relation and k.action = a.action
  ),
  placed as (
    select
      p.draft_id, p.circle,
      row_number() over (order by p.phase, p.rank, p.level, p.nth, p.record_id, p.live_record_id) as position,
      dense_rank() over (order by p.phase, p.rank, p.level, p.nth) as batch
    from (
      select d.draft_id, d.record_id, d.live_record_id, d.level, d.circle, k.rank, k.nth,
        case when d.level is not null then 0 when d.action = 'insert' then 1 when d.action = 'update' then 2 else 3 end as phase
      from pg_temp.restore_draft d
      join kinds k on k.relation = d.relation and k.action = d.action
    ) p
  ),
  chunked as (
    select p.*, 1 + (p.position - 1) / p_chunk_rows as chunk from placed p where p.circle is null
    union all
    select p.*, min(1 + (p.position - 1) / p_chunk_rows) over (partition by p.circle) from placed p where p.circle is not null
  )
  insert into audit.restore_items (
    run_id, position, chunk, batch, relation, record_id, live_record_id, action, origin, entry_id, columns, target, target_exact,
    live, live_exact, live_digest, conflict
  )
  select
    p_run, c.position, c.chunk, c.batch, d.relation, coalesce(case when d.is_there then d.record_id end, l.record_id), l.record_id,
    d.action, d.origin, d.entry_id, d.columns, case when d.is_there then d.target end, case when d.is_there then d.exact end, l.image,
    l.exact, l.digest, d.conflict
  from chunked c
  join pg_temp.restore_draft d on d.draft_id = c.draft_id
  left join pg_temp.restore_live l on l.draft_id = d.draft_id;
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
