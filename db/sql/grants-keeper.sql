-- role: audit_keeper
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_catalog.pg_proc p
    where p.pronamespace = 'audit'::regnamespace and p.proowner = 'audit_keeper'::regrole
  loop
    execute format('revoke all on function %s from audit_app, audit_worker, audit_recorder, audit_owner', v_function);
  end loop;
end
$$;

grant execute on function audit.insert_service_event(jsonb) to audit_app, audit_worker;
grant execute on function audit.trail_worth(audit.audit_trails) to audit_app, session_user;
grant execute on function audit.insert_captured_events(oid, text, jsonb) to audit_recorder;
grant execute on function
  audit.roll_up_trails(int),
  audit.delete_due_trails(int),
  audit.delete_trails_of_deleted_projects(int)
to audit_worker;
-- Definer functions of the owner's call these: they make the months and write the log, and these alone pass the guards.
grant execute on function
  audit.insert_service_event(jsonb),
  audit.move_rows_to_archive(timestamptz, timestamptz, boolean, int),
  audit.move_rows_from_archive(timestamptz, timestamptz, uuid, int),
  audit.store_archived_line(jsonb)
to audit_owner;
