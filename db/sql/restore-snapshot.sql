create or replace function audit.snapshot_restore(p_run uuid) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into audit.restore_snapshot_rows (run_id, position, image, exact, digest)
  select i.run_id, i.position, i.live, i.live_exact, i.live_digest
  from audit.restore_items i
  where i.run_id = p_run and i.action <> 'insert'
    -- What was applied before a restore was resumed has its row already, or was found to have none.
    and not exists (select from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position)
  on conflict do nothing;
  select count(*) into v_count from audit.restore_snapshot_rows where run_id = p_run;
  return v_count;
end
$$;
comment on function audit.snapshot_restore(uuid) is
  'Keeps the rows that a restore will change as they are; each is changed only while it is still so. Returns how many.';
