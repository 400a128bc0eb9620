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
  create temp table restore_read on commit drop as
  select i.*
  from audit.restore_items i
  where i.run_id = p_run and i.position between p_first and p_last and 'applied' = (
    select o.outcome from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position
  );
  create temp table restore_written on commit drop as
  select distinct l.table_schema, l.table_name, l.record_id
  from audit.audit_logs l
  where l.restore_id = p_run and l.txid in (
    select c.txid from audit.restore_chunks c where c.run_id = p_run and c.chunk in (select r.chunk from pg_temp.restore_read r)
  );
  analyze pg_temp.restore_read;
  analyze pg_temp.restore_written;
  for v_relation in select distinct i.relation from pg_temp.restore_read i order by 1 loop
    select * into v_table from audit.tracked_tables t where t.relation = v_relation;
    return query execute format(
      $sql$
with read as materialized (
  select
    __i.position, __i.record_id, __i.live_record_id,
    case
      when __i.action = 'delete' then case when __t.tableoid is not null then '{}'::text[] end
      when __t.tableoid is null then '{}'::text[]
      else nullif(audit.image_difference(__i.target - %1$L::text[], __i.target_exact, %2$s, %3$s, __i.columns), '{}')
    end as columns
  from pg_temp.restore_read __i
  left join %4$s __t on %5$s
  where __i.relation = %6$s
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
    ) using p_run;
    return query
    select i.position, i.relation, i.record_id, 'unrecorded', '{}'::text[]
    from pg_temp.restore_read i
    where i.relation = v_relation and not exists (
      select from pg_temp.restore_written w
      where w.table_schema = v_table.table_schema and w.table_name = v_table.table_name
        and w.record_id = coalesce(i.live_record_id, i.record_id)
    );
  end loop;
  drop table pg_temp.restore_read, pg_temp.restore_written;
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
