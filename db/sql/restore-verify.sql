-- Every applied item is read again: is its row what it was to be, and if not, who made it so; and is the restore itself in the
-- history. Causes: trigger (the application's own, during the restore), changed_since (somebody, after it), or wrong.
create or replace function audit.verify_restore_rows(p_run uuid, p_first int, p_last int)
returns table ("position" int, relation oid, record_id text, cause text, columns text[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_table audit.tracked_tables;
begin
  perform audit.pin_restore_session();
  for v_relation in
    select distinct i.relation from audit.restore_items i where i.run_id = p_run and i.position between p_first and p_last order by 1
  loop
    select * into v_table from audit.tracked_tables t where t.relation = v_relation;
    return query execute format(
      $sql$
with read as (
  select
    __i.position, __i.record_id, __i.live_record_id,
    case
      when __i.action = 'delete' then case when __t.tableoid is not null then '{}'::text[] end
      when __t.tableoid is null then '{}'::text[]
      else nullif(
        audit.image_difference(__i.target - %1$L::text[], __i.target_exact, %2$s, %3$s, __i.columns), '{}'
      )
    end as columns
  from audit.restore_items __i
  join audit.restore_outcomes __o on __o.run_id = __i.run_id and __o.position = __i.position and __o.outcome = 'applied'
  left join %4$s __t on %5$s
  where __i.run_id = $1 and __i.position between $2 and $3 and __i.relation = %6$s
)
select
  r.position, %6$s::oid, r.record_id,
  case
    when l.restore_id = $1 and r.columns <> '{}' then 'trigger'
    when l.id is not null and l.restore_id is distinct from $1 then 'changed_since'
    else 'wrong'
  end,
  r.columns
from read r
left join lateral (
  select l.id, l.restore_id
  from audit.audit_logs l
  where l.table_name = %7$L and l.table_schema = %8$L and l.record_id in (r.record_id, r.live_record_id)
  order by l.id desc
  limit 1
) l on true
where r.columns is not null
$sql$,
      audit.touched_columns(p_run, v_relation), audit.image_sql(v_relation, '__t'), coalesce(audit.exact_sql(v_relation, '__t'), 'null::jsonb'),
      v_relation::regclass, audit.key_match_sql(v_relation, '__t', '__i.record_id'), v_relation, v_table.table_name, v_table.table_schema
    ) using p_run, p_first, p_last;
    return query execute format(
      $sql$
select i.position, i.relation, i.record_id, 'unrecorded', '{}'::text[]
from audit.restore_items i
join audit.restore_outcomes o on o.run_id = i.run_id and o.position = i.position and o.outcome = 'applied'
join audit.restore_chunks c on c.run_id = i.run_id and c.chunk = i.chunk
where i.run_id = $1 and i.position between $2 and $3 and i.relation = %s
  and coalesce(i.live_record_id, i.record_id) not in (
    select l.record_id
    from audit.restore_chunks k
    join audit.audit_logs l on l.txid = k.txid and l.table_name = %L and l.table_schema = %L and l.restore_id = $1
    where k.run_id = $1
  )
$sql$,
      v_relation, v_table.table_name, v_table.table_schema
    ) using p_run, p_first, p_last;
  end loop;
end
$$;
comment on function audit.verify_restore_rows(uuid, int, int) is
  'Applied items whose rows are not what they were to be, with the cause, and those that the history does not show.';

-- Items of two restores that concern the same row.
create or replace function audit.overlapping_restore(p_run uuid) returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select o.id
  from audit.restore_runs o
  where o.status in ('awaiting_approval', 'running') and o.id <> p_run and exists (
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
