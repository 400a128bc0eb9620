create or replace function audit.get_audit_trail(
  p_workspace_id text,
  p_resource_type text default null,
  p_resource_id text default null,
  p_days_back int default 30,
  p_limit int default 100
) returns setof audit.audit_events
language sql stable
set search_path = ''
as $$
  select e.*
  from audit.audit_events e
  where e.workspace_id = p_workspace_id
    and (p_resource_type is null or e.resource_type = p_resource_type)
    and (p_resource_id is null or e.resource_id = p_resource_id)
    and e.created_at >= now() - make_interval(days => p_days_back)
    and e.deleted_at is null
  order by e.created_at desc, e.id desc
  limit p_limit
$$;
comment on function audit.get_audit_trail(text, text, text, int, int) is
  'The newest events of a workspace, or of one resource in it: 30 days back and 100 at most unless said otherwise.';

create or replace function audit.get_audit_trail(
  p_workspace_id uuid,
  p_resource_type text default null,
  p_resource_id uuid default null,
  p_days_back int default 30,
  p_limit int default 100
) returns setof audit.audit_events
language sql stable
set search_path = ''
as $$
  select * from audit.get_audit_trail(p_workspace_id::text, p_resource_type, p_resource_id::text, p_days_back, p_limit)
$$;
comment on function audit.get_audit_trail(uuid, text, uuid, int, int) is 'get_audit_trail() for ids that are UUIDs.';

-- The one place that says what counts as a security event. Words are parted by anything that is no letter.
create or replace function audit.is_security_action(p_action_type text) returns boolean
language sql immutable parallel safe
set search_path = ''
as $$
  select p_action_type ~* (
    '(^|[^a-z])('
    'sign[^a-z]?(in|out|up|on)|log[^a-z]?(in|out|on|off)|auth|authenticat(e|ed|ion)|mfa|sso|password|session|impersonat(e|ed|ion)'
    '|(api[^a-z]?)?key|keys|token|secret|credential|credentials'
    '|role|roles|permission|permissions|grant|granted|scope|access|acl|policy'
    '|member|members|membership|invite|invited|invitation|collaborator|owner|ownership'
    '|export|exported|download|downloaded'
    '|delete|deleted|deletion|remove|removed|purge|purged|erase|erased|erasure|destroy|destroyed|truncate'
    '|refused|denied|forbidden|unauthorized|rejected|blocked|locked|failed|failure|error'
    ')($|[^a-z])'
  )
$$;
comment on function audit.is_security_action(text) is
  'Sign-ins; keys and secrets; roles, permissions and membership; exports; deletions; refused and failed actions.';

create or replace view audit.vw_security_audit as
select
  e.id, e.created_at, e.occurred_at, e.workspace_id, e.created_by_user_id, e.action_type, e.resource_type,
  e.resource_id, e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id, e.tags,
  e.metadata
from audit.audit_events e
where e.deleted_at is null
  and audit.is_security_action(e.action_type);
comment on view audit.vw_security_audit is 'Events that matter to security, as audit.is_security_action() defines them.';
