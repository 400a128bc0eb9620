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
