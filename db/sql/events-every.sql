-- One statement sees each event once wherever it lies: a move takes it from the one table and puts it into the other in one
-- transaction. Every reader names the hot table first, so that readers and moves lock in one order.
create or replace view audit.every_event as
select
  e.id, e.created_at, e.occurred_at, e.event_id, e.workspace_id, e.created_by_user_id, e.action_type, e.resource_type,
  e.resource_id, e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id, e.tags, e.metadata,
  e.txid, e.deleted_at, e.deleted_by_user_id, e.deletion_reason, null::timestamptz as archived_at
from audit.audit_events e
union all
select
  a.id, a.created_at, a.occurred_at, a.event_id, a.workspace_id, a.created_by_user_id, a.action_type, a.resource_type,
  a.resource_id, a.old_values, a.new_values, a.changed_fields, a.ip_address, a.user_agent, a.request_id, a.tags, a.metadata,
  a.txid, a.deleted_at, a.deleted_by_user_id, a.deletion_reason, a.archived_at
from audit.audit_events_archive a;
comment on view audit.every_event is
  'Every event in the database once, hot or archived; archived_at is null while it is hot.';

-- Ids made by uuid_v7() say when: at most the length of its statement before created_at.
create or replace function audit.uuid_v7_time(p_id uuid) returns timestamptz
language sql immutable parallel safe
return case
  when substr(p_id::text, 15, 1) = '7' then
    to_timestamp(('x' || substr(replace(p_id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)
end;
comment on function audit.uuid_v7_time(uuid) is 'The time in a UUID of version 7, in milliseconds; null for any other.';

create or replace function audit.from_micros(p_micros text) returns timestamptz
language sql immutable strict parallel safe
return timestamptz '1970-01-01 00:00:00+00' + p_micros::bigint * interval '1 microsecond';
comment on function audit.from_micros(text) is 'The time of so many microseconds since 1970.';
