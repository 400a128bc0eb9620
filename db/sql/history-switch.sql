-- The kill switch costs nothing while it is on: off, the trigger functions are replaced by ones that do nothing, which needs
-- no lock on any table. What runs at that moment ends as it began.
create or replace function audit.switch_capture(p_on boolean) returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table audit.tracked_tables;
  v_count int := 0;
begin
  if p_on is null then
    raise exception 'p_on is null, but must be true or false' using errcode = 'invalid_parameter_value';
  end if;
  -- A table that was dropped must not keep the others from being switched.
  perform audit.forget_dropped();
  for v_table in
    update audit.tracked_tables set is_on = p_on where is_on <> p_on returning *
  loop
    perform audit.own_capture_function(v_table.relation);
    if p_on then
      update audit.capture_gaps set ended_at = clock_timestamp()
      where relation = v_table.relation and reason = 'off' and ended_at is null;
    else
      insert into audit.capture_gaps (relation, table_schema, table_name, reason, began_at, noted_by)
      values (v_table.relation, v_table.table_schema, v_table.table_name, 'off', clock_timestamp(), session_user);
    end if;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;
comment on function audit.switch_capture(boolean) is
  'Switches the recording of all tracked tables off, noting the gap, or on again; returns how many relations changed.';
