-- Every applied item is read again: is its row what it was to be, and if not, who made it so; and is the restore itself in the
-- history. Causes: trigger (the application's own, during the restore), changed_since (somebody, after it), or wrong.
create or replace function audit.verify_restore_rows(p_run uuid, p_chunk int)
returns table ("position" int, relation oid, record_id text, cause text, columns text[])
language plpgsql
set search_path = pg_catalog, pg_temp
-- No row is looked up twice, and thousands of short look-ups are not worth compiling.
set enable_memoize = off
set jit = off
as $$
declare
  v_run audit.restore_runs;
  v_done audit.restore_chunks;
  v_first int;
  v_last int;
  v_relation oid;
begin
  perform audit.pin_restore_session();
  select * into strict v_run from audit.restore_runs where id = p_run;
  select * into v_done from audit.restore_chunks where run_id = p_run and chunk = p_chunk;
  if not found then
    return;
  end if;
  v_first := v_run.chunk_starts[p_chunk];
  v_last := coalesce(v_run.chunk_starts[p_chunk + 1] - 1, v_run.item_count);
  for v_relation in
    select distinct i.relation from audit.restore_items i where i.run_id = p_run and i.position between v_first and v_last order by 1
  loop
    return query execute audit.verification_sql(p_run, v_relation)
    using p_run, v_first, v_last, v_done.txid, v_done.applied_at, audit.has_own_triggers(p_run);
  end loop;
end
$$;
comment on function audit.verify_restore_rows(uuid, int) is
  'Applied items of a chunk whose rows are not what they were to be, with the cause, and those that the history does not show.';

create or replace function audit.has_own_triggers(p_run uuid) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return exists (
  select from audit.restore_runs r
  cross join jsonb_array_elements(r.tables) x
  -- A table that is not partitioned is no part of a tree.
  cross join lateral (
    select (x ->> 'relation')::oid as relid
    union all
    select p.relid from pg_partition_tree((x ->> 'relation')::oid::regclass) p
  ) t
  join pg_trigger g on g.tgrelid = t.relid
  join pg_proc f on f.oid = g.tgfoid
  where r.id = p_run and not g.tgisinternal and g.tgenabled <> 'D' and f.pronamespace <> 'audit'::regnamespace
);
comment on function audit.has_own_triggers(uuid) is 'Whether the application has triggers on a table that a restore changes.';

create or replace function audit.without_sql(p_columns text[]) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return case when p_columns = '{}' then '' else format(' - %L::text[]', p_columns) end;
comment on function audit.without_sql(text[]) is 'SQL that takes columns out of the image before it.';

-- The statement that verifies the items of one table; $1 is the run, $2 and $3 are the chunk's first and last position, $4 its
-- transaction, $5 when it was applied, $6 whether the application has triggers. Rows are looked up by subqueries, which no
-- join can stand for: the planner takes the rows of a new run for few.
create or replace function audit.verification_sql(p_run uuid, p_relation oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    $sql$
with recorded as materialized (
  select l.record_id
  from audit.audit_logs l
  where l.txid = $4 and l.restore_id = $1 and l.table_name = %1$L and l.table_schema = %2$L
), read as materialized (
  select
    __i.position, __i.record_id, __i.live_record_id,
    case
      when __i.action = 'delete' then case when __l.image is not null and not exists (
        -- Another row has taken its key.
        select from audit.restore_items o
        where o.run_id = $1 and o.relation = %10$s and o.record_id = __i.record_id and o.action <> 'delete'
      ) then '{}'::text[] end
      when __l.image is null then '{}'
      -- The same bits are the same to the last digit; column by column costs thirty times as much.
      when record_image_eq(row(__i.target%3$s, __i.target_exact), row(__l.image%4$s, __l.exact)) then null
      else nullif(audit.image_difference(__i.target%3$s, __i.target_exact, __l.image, __l.exact, __i.columns), '{}')
    end as columns,
    -- A write that left the row as it was, or changed nothing but ignored columns, has no entry.
    __i.record_id not in (select r.record_id from recorded r)
      and coalesce(__i.live_record_id, __i.record_id) not in (select r.record_id from recorded r)
      and not coalesce(__i.columns <@ %5$L::text[], false)
      and (select o.digest from audit.restore_outcomes o where o.run_id = $1 and o.position = __i.position) is distinct from coalesce(
        (select s.digest from audit.restore_snapshot_rows s where s.run_id = $1 and s.position = __i.position), __i.live_digest
      )
      -- An earlier chunk may have changed it already, by a cascade.
      and not exists (
        select from audit.audit_logs l
        where l.table_name = %1$L and l.table_schema = %2$L and l.record_id in (__i.record_id, __i.live_record_id) and l.restore_id = $1
      ) as is_unrecorded
  from audit.restore_items __i
  left join lateral (select %6$s as image, %7$s as exact from %8$s __t where %9$s offset 0) __l on true
  where __i.run_id = $1 and __i.position between $2 and $3 and __i.relation = %10$s and __i.position not in (
    select o.position from audit.restore_outcomes o where o.run_id = $1 and o.position between $2 and $3 and o.outcome <> 'applied'
  )
)
select
  r.position, %10$s::oid, r.record_id,
  case
    when l.is_after then 'changed_since'
    when l.is_own and r.columns <> '{}' and $6 then 'trigger'
    else 'wrong'
  end,
  r.columns
from read r
left join lateral (
  -- The row is locked from the restore's write to its commit, so who changed it since has later entries.
  select l.txid = $4 as is_own, l.txid <> $4 and (o.id is not null or l.created_at > $5) as is_after
  from audit.audit_logs l
  left join lateral (
    select o.id from audit.audit_logs o
    where o.table_name = %1$L and o.table_schema = %2$L and o.record_id in (r.record_id, r.live_record_id) and o.txid = $4
    limit 1
  ) o on true
  where l.table_name = %1$L and l.table_schema = %2$L and l.record_id in (r.record_id, r.live_record_id)
  order by l.id desc
  limit 1
) l on true
where r.columns is not null
union all
select r.position, %10$s::oid, r.record_id, 'unrecorded', '{}'
from read r
where r.is_unrecorded
$sql$,
    t.table_name, t.table_schema,
    audit.without_sql(audit.touched_columns(p_run, p_relation)),
    audit.without_sql(array(
      select c.name from audit.restore_columns(p_relation) c where not c.is_writable
      union
      select unnest(audit.touched_columns(p_run, p_relation))
    )),
    audit.ignored_names(p_relation),
    audit.image_sql(p_relation, '__t'), coalesce(audit.exact_sql(p_relation, '__t'), 'null::jsonb'),
    p_relation::regclass, audit.key_match_sql(p_relation, '__t', '__i.record_id'), p_relation
  )
  from audit.tracked_tables t
  where t.relation = p_relation
);
comment on function audit.verification_sql(uuid, oid) is 'The statement that reads the rows of one table again and finds those that are not what they were to be, or not in the history.';
