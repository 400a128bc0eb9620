-- Nobody changes or removes an event, the owner included: a foreign key's cascade runs as the table's owner.
-- Only a function that belongs to audit_keeper passes, and a name cannot be forged as a setting or a row could be.
create or replace function audit.refuse_event_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if current_user = 'audit_keeper' then
    return coalesce(new, old);
  end if;
  raise exception 'Audit events are immutable'
    using errcode = 'insufficient_privilege',
          detail = format('%s on %I.%I was refused.', tg_op, tg_table_schema, tg_table_name),
          hint = 'Events leave through retention, archiving or an approved erasure, never by hand.';
end
$$;
comment on function audit.refuse_event_change() is 'Trigger: refuses UPDATE, DELETE and TRUNCATE of audit events.';

-- Cloned to every partition by Postgres.
create or replace trigger audit_events_immutable
  before update or delete on audit.audit_events
  for each row execute function audit.refuse_event_change();
comment on trigger audit_events_immutable on audit.audit_events is 'No event is changed or removed.';

-- Not cloned: add_event_partition() repeats it. It also refuses a statement that matches no row.
create or replace trigger audit_events_immutable_statement
  before update or delete or truncate on audit.audit_events
  for each statement execute function audit.refuse_event_change();
comment on trigger audit_events_immutable_statement on audit.audit_events is
  'No event is changed or removed, not even by a statement that matches none.';
