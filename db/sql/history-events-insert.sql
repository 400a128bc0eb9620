-- role: audit_keeper
-- Called by trigger functions, as audit_recorder. What an event is called follows from what its table was tracked with, so
-- that whoever gets hold of audit_recorder can add no other. Membership is not asked: the writer may be a job or a console.
-- Without app.user_id the actor is the database login, marked as such.
create or replace function audit.insert_captured_events(p_relation oid, p_operation text, p_rows jsonb) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table audit.tracked_tables;
begin
  select * into v_table
  from audit.tracked_tables t
  where t.relation = p_relation and t.as_events ? lower(p_operation);
  if not found then
    raise exception 'No events were asked for with this table' using errcode = 'insufficient_privilege';
  end if;
  perform audit.insert_audit_events((
    select jsonb_agg(jsonb_build_object(
      'action_type', v_table.as_events -> lower(p_operation),
      'resource_type', v_table.as_events -> 'resourceType',
      'resource_id', r -> 'resource_id',
      'workspace_id', r -> 'workspace_id',
      'created_by_user_id', coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user),
      'request_id', nullif(current_setting('app.request_id', true), ''),
      'old_values', r -> 'old_values',
      'new_values', r -> 'new_values',
      'changed_fields', r -> 'changed_fields',
      'metadata', jsonb_build_object('source', 'capture', 'table', v_table.table_schema || '.' || v_table.table_name)
    ))
    from jsonb_array_elements(p_rows) r
    -- Lost on its way to another partition.
    where r -> 'resource_id' <> 'null' and r -> 'workspace_id' <> 'null'
  ));
  perform audit.ensure_retention_policy(w.id)
  from (select distinct r ->> 'workspace_id' as id from jsonb_array_elements(p_rows) r) w
  order by w.id;
end
$$;
comment on function audit.insert_captured_events(oid, text, jsonb) is
  'Appends the workspace events of rows that a statement changed, for trigger functions of tables with as_events.';
