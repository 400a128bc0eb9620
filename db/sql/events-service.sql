-- role: audit_keeper
-- The service's own events (reads, exports, keys, jobs) are written by people who need not be members of the workspace.
create or replace function audit.insert_service_event(p_event jsonb) returns uuid
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid;
begin
  select e.id into v_id
  from audit.insert_audit_events(jsonb_build_array(
    p_event || jsonb_build_object('metadata', coalesce(p_event -> 'metadata', '{}') || '{"source": "afterimage"}')
  )) e;
  perform audit.ensure_retention_policy(p_event ->> 'workspace_id');
  return v_id;
end
$$;
comment on function audit.insert_service_event(jsonb) is
  'Appends an event of the service itself, marked by metadata.source = afterimage; membership is not asked.';
