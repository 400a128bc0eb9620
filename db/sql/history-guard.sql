create or replace trigger audit_logs_immutable
  before update or delete on audit.audit_logs
  for each row execute function audit.refuse_event_change('Entries of the row history');
comment on trigger audit_logs_immutable on audit.audit_logs is 'What happened to a row stays as it was recorded.';

-- Not cloned: add_month_partition() repeats it.
create or replace trigger audit_logs_immutable_statement
  before update or delete or truncate on audit.audit_logs
  for each statement execute function audit.refuse_event_change('Entries of the row history');
comment on trigger audit_logs_immutable_statement on audit.audit_logs is
  'What happened to a row stays as it was recorded; also refuses a statement that matches none.';
