-- Nobody changes or removes an event, the owner included: a foreign key's cascade runs as the table's owner.
-- Only a function that belongs to audit_keeper passes, and a name cannot be forged as a setting or a row could be.
create or replace function audit.refuse_event_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'audit_keeper' then
    return coalesce(new, old);
  end if;
  raise exception '% are immutable', coalesce(tg_argv[0], 'Audit events')
    using errcode = 'insufficient_privilege',
          detail = format('%s on %I.%I was refused.', tg_op, tg_table_schema, tg_table_name),
          hint = 'Rows leave through retention, archiving or an approved erasure, never by hand.';
end
$$;
comment on function audit.refuse_event_change() is
  'Trigger: refuses UPDATE, DELETE and TRUNCATE of audit events, or of what its argument names.';

-- Cloned to every partition by Postgres.
create or replace trigger audit_events_immutable
  before update or delete on audit.audit_events
  for each row execute function audit.refuse_event_change();
comment on trigger audit_events_immutable on audit.audit_events is 'No event is changed or removed.';

-- Not cloned: add_month_partition() repeats it. It also refuses a statement that matches no row.
create or replace trigger audit_events_immutable_statement
  before update or delete or truncate on audit.audit_events
  for each statement execute function audit.refuse_event_change();
comment on trigger audit_events_immutable_statement on audit.audit_events is
  'No event is changed or removed, not even by a statement that matches none.';

-- The same of the archive.
create or replace trigger audit_events_archive_immutable
  before update or delete on audit.audit_events_archive
  for each row execute function audit.refuse_event_change();
comment on trigger audit_events_archive_immutable on audit.audit_events_archive is
  'No archived event is changed or removed.';

create or replace trigger audit_events_archive_immutable_statement
  before update or delete or truncate on audit.audit_events_archive
  for each statement execute function audit.refuse_event_change();
comment on trigger audit_events_archive_immutable_statement on audit.audit_events_archive is
  'No archived event is changed or removed, not even by a statement that matches none.';

create or replace trigger audit_event_keys_immutable
  before update or delete or truncate on audit.audit_event_keys
  for each statement execute function audit.refuse_event_change('Audit event keys');
comment on trigger audit_event_keys_immutable on audit.audit_event_keys is
  'A natural key stays taken: without it a late retry would store its event again.';

create or replace trigger audit_deletion_log_immutable
  before update or delete or truncate on audit.audit_deletion_log
  for each statement execute function audit.refuse_event_change('Entries of the deletion log');
comment on trigger audit_deletion_log_immutable on audit.audit_deletion_log is 'The record of removals only grows.';
