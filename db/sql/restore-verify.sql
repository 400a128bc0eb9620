-- Every applied item is read again: is its row what it was to be, and if not, who made it so; and is the restore itself in the
-- history. Causes: trigger (the application's own, during the restore), changed_since (somebody, after it), or wrong.
create or replace function audit.verify_restore_rows(p_run uuid, p_chunk int)
returns table ("position" int, relation oid, record_id text, cause text, columns text[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run audit.restore_runs;
  v_done audit.restore_chunks;
  v_relation oid;
  v_table audit.tracked_tables;
  v_ignored text[];
  v_has_triggers constant boolean := exists (
    select from pg_trigger t
    join pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and t.tgenabled <> 'D' and p.pronamespace <> 'audit'::regnamespace
      and t.tgrelid in (
        select p.relid from audit.restore_runs r
        cross join jsonb_array_elements(r.tables) x
        cross join lateral pg_partition_tree((x ->> 'relation')::oid::regclass) p
        where r.id = p_run
        union all
        select (x ->> 'relation')::oid from audit.restore_runs r cross join jsonb_array_elements(r.tables) x where r.id = p_run
      )
  );
begin
  perform audit.pin_restore_session();
  select * into strict v_run from audit.restore_runs where id = p_run;
  select * into v_done from audit.restore_chunks where run_id = p_run and chunk = p_chunk;
  if not found then
    return;
  end if;
  -- Read into tables with statistics of their own: the planner takes the rows of a new run for few.
  create temp table restore_read on commit drop as
  select i.*, o.digest, coalesce(s.digest, i.live_digest) as digest_before
  from audit.restore_items i
  left join lateral (
    select o.outcome, o.digest from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position offset 0
  ) o on true
  left join lateral (
    select s.digest from audit.restore_snapshot_rows s where s.run_id = i.run_id and s.position = i.position offset 0
  ) s on true
  where i.run_id = p_run and o.outcome = 'applied'
    and i.position between v_run.chunk_starts[p_chunk] and coalesce(v_run.chunk_starts[p_chunk + 1] - 1, v_run.item_count);
  create temp table restore_recorded on commit drop as
  select distinct l.table_schema, l.table_name, l.record_id
  from audit.audit_logs l
  where l.txid = v_done.txid and l.restore_id = p_run;
  analyze pg_temp.restore_read;
  analyze pg_temp.restore_recorded;
  for v_relation in select distinct i.relation from pg_temp.restore_read i order by 1 loop
    select * into v_table from audit.tracked_tables t where t.relation = v_relation;
    v_ignored := array(select c.name from audit.captured_columns(v_relation) c where c.is_ignored);
    return query execute format(
      $sql$
with read as materialized (
  select
    __i.position, __i.record_id, __i.live_record_id,
    case
      when __i.action = 'delete' then case when __l.image is not null then '{}'::text[] end
      when __l.image is null then '{}'::text[]
      else nullif(
        audit.image_difference(__i.target - %1$L::text[], __i.target_exact, __l.image, __l.exact, __i.columns), '{}'
      )
    end as columns
  from pg_temp.restore_read __i
  left join lateral (select %2$s as image, %3$s as exact from %4$s __t where %5$s offset 0) __l on true
  where __i.relation = %6$s
)
select
  r.position, %6$s::oid, r.record_id,
  case
    when l.is_after then 'changed_since'
    when l.is_own and r.columns <> '{}' and $3 then 'trigger'
    else 'wrong'
  end,
  r.columns
from read r
left join lateral (
  -- The row is locked from the restore's write to its commit, so who changed it since has later entries.
  select l.txid = $1 as is_own, l.txid <> $1 and (o.id is not null or l.created_at > $2) as is_after
  from audit.audit_logs l
  left join lateral (
    select o.id from audit.audit_logs o
    where o.table_name = %7$L and o.table_schema = %8$L and o.record_id in (r.record_id, r.live_record_id) and o.txid = $1
    limit 1
  ) o on true
  where l.table_name = %7$L and l.table_schema = %8$L and l.record_id in (r.record_id, r.live_record_id)
  order by l.id desc
  limit 1
) l on true
where r.columns is not null
$sql$,
      audit.touched_columns(p_run, v_relation), audit.image_sql(v_relation, '__t'), coalesce(audit.exact_sql(v_relation, '__t'), 'null::jsonb'),
      v_relation::regclass, audit.key_match_sql(v_relation, '__t', '__i.record_id'), v_relation, v_table.table_name, v_table.table_schema
    ) using v_done.txid, v_done.applied_at, v_has_triggers;
    -- A write that left the row as it was, or changed nothing but ignored columns, has no entry.
    return query
    select i.position, i.relation, i.record_id, 'unrecorded', '{}'::text[]
    from pg_temp.restore_read i
    where i.relation = v_relation and i.digest is distinct from i.digest_before and not coalesce(i.columns <@ v_ignored, false)
      and not exists (
        select from pg_temp.restore_recorded r
        where r.table_schema = v_table.table_schema and r.table_name = v_table.table_name and r.record_id = i.record_id
      )
      and not exists (
        select from pg_temp.restore_recorded r
        where r.table_schema = v_table.table_schema and r.table_name = v_table.table_name and r.record_id = i.live_record_id
      );
  end loop;
  drop table pg_temp.restore_read, pg_temp.restore_recorded;
end
$$;
comment on function audit.verify_restore_rows(uuid, int) is
  'Applied items of a chunk whose rows are not what they were to be, with the cause, and those that the history does not show.';

-- Items of two restores that concern the same row.
create or replace function audit.overlapping_restore(p_run uuid) returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select o.id
  from audit.restore_runs o
  where o.id <> p_run
    and (o.status = 'running' or o.status = 'awaiting_approval' and o.approval_expires_at > clock_timestamp())
    and exists (
      select from (
        select i.relation, i.record_id from audit.restore_items i where i.run_id = p_run
        union all
        select i.relation, i.live_record_id from audit.restore_items i where i.run_id = p_run and i.live_record_id <> i.record_id
      ) a
      join (
        select i.relation, i.record_id from audit.restore_items i where i.run_id = o.id
        union all
        select i.relation, i.live_record_id from audit.restore_items i where i.run_id = o.id and i.live_record_id <> i.record_id
      ) b on b.relation = a.relation and b.record_id = a.record_id
    )
  order by o.id
  limit 1
);
comment on function audit.overlapping_restore(uuid) is 'A restore under way that concerns some of the same rows, if there is one.';
