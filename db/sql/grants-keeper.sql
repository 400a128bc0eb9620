-- role: audit_keeper
grant execute on function audit.insert_service_event(jsonb) to audit_app, audit_worker;
grant execute on function
  audit.roll_up_trails(int),
  audit.delete_due_trails(int),
  audit.delete_trails_of_deleted_projects(int)
to audit_worker;
