-- One shape over row history and events: what operators' queries of old ask.
create or replace view audit.audit_log as
select
  l.user_id as actor,
  l.table_name || case l.action
    when 'INSERT' then '_inserted' when 'UPDATE' then '_updated' when 'DELETE' then '_deleted' else '_truncated'
  end as event,
  l.table_name as entity,
  l.record_id as entity_id,
  l.created_at,
  jsonb_build_object('old', l.old_values, 'new', l.new_values, 'request_id', l.request_id, 'txid', l.txid) as meta
from audit.audit_logs l
union all
select
  e.created_by_user_id,
  e.action_type,
  e.resource_type,
  e.resource_id,
  e.created_at,
  jsonb_build_object('old', e.old_values, 'new', e.new_values, 'request_id', e.request_id, 'txid', e.txid)
    || coalesce(e.metadata, '{}')
from audit.every_event e
where e.deleted_at is null;
comment on view audit.audit_log is 'Row history and events as one list: who, what, to which record, when.';
