-- Without SET the planner sees through these functions: it drops the conditions that were not asked for, picks the
-- index of the resource and leaves out old months. They run with the caller's rights.
create or replace function audit.get_audit_trail(
  p_workspace_id text,
  p_resource_type text default null,
  p_resource_id text default null,
  p_days_back int default 30,
  p_limit int default 100
) returns setof audit.audit_events
language sql stable
as $$
  select
    e.id, e.created_at, e.occurred_at, e.event_id, e.workspace_id, e.created_by_user_id, e.action_type, e.resource_type,
    e.resource_id, e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id, e.tags,
    e.metadata, e.txid, e.deleted_at, e.deleted_by_user_id, e.deletion_reason
  from audit.every_event e
  where e.workspace_id = p_workspace_id
    and (p_resource_type is null or e.resource_type = p_resource_type)
    and (p_resource_id is null or e.resource_id = p_resource_id)
    and e.created_at >= now() - make_interval(days => p_days_back)
    and e.deleted_at is null
  order by e.created_at desc, e.id desc
  limit p_limit
$$;
comment on function audit.get_audit_trail(text, text, text, int, int) is
  'The newest events of a workspace, or of one resource in it, hot or archived: 30 days back and 100 at most unless said otherwise.';

-- Each mix of text and uuid needs a signature of its own. Only a text resource has a default: if a uuid had one too, a
-- call that names no resource would fit two functions.
create or replace function audit.get_audit_trail(
  p_workspace_id uuid,
  p_resource_type text default null,
  p_resource_id text default null,
  p_days_back int default 30,
  p_limit int default 100
) returns setof audit.audit_events
language sql stable
as $$
  select * from audit.get_audit_trail(p_workspace_id::text, p_resource_type, p_resource_id, p_days_back, p_limit)
$$;
comment on function audit.get_audit_trail(uuid, text, text, int, int) is
  'get_audit_trail() for a workspace whose id is a UUID.';

create or replace function audit.get_audit_trail(
  p_workspace_id text,
  p_resource_type text,
  p_resource_id uuid,
  p_days_back int default 30,
  p_limit int default 100
) returns setof audit.audit_events
language sql stable
as $$
  select * from audit.get_audit_trail(p_workspace_id, p_resource_type, p_resource_id::text, p_days_back, p_limit)
$$;
comment on function audit.get_audit_trail(text, text, uuid, int, int) is
  'get_audit_trail() for a resource whose id is a UUID.';

-- Dropped first, because a replacement cannot take a default away.
drop function if exists audit.get_audit_trail(uuid, text, uuid, int, int);
create function audit.get_audit_trail(
  p_workspace_id uuid,
  p_resource_type text,
  p_resource_id uuid,
  p_days_back int default 30,
  p_limit int default 100
) returns setof audit.audit_events
language sql stable
as $$
  select * from audit.get_audit_trail(p_workspace_id::text, p_resource_type, p_resource_id::text, p_days_back, p_limit)
$$;
comment on function audit.get_audit_trail(uuid, text, uuid, int, int) is
  'get_audit_trail() for a workspace and a resource whose ids are UUIDs.';

-- The one place that says what counts as a security event. The action's name is read word by word: camelCase is parted
-- first, and whatever is no letter or digit parts words too, so MONKEY holds no key and AUTHOR no auth.
create or replace function audit.is_security_action(p_action_type text) returns boolean
language sql immutable parallel safe
return regexp_replace(p_action_type, '([a-z])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])', '\1\2_', 'g') ~* (
  '(^|[^a-z0-9])('
  '(sign|signed|log|logged)[^a-z0-9]?(in|out|on|off|up)|logins?|logouts?|auth|authenticat(e|ed|ion)|mfa|2fa|sso|passwords?'
  '|impersonat(e|ed|ion)'
  '|(api)?keys?|secrets?|credentials?|token|certificates?'
  '|roles?|permissions?|grant|grants|granted|revoke|revoked|scopes?|access|acl|polic(y|ies)'
  '|members?|memberships?|invite|invited|invitations?|collaborators?|owners?|ownership'
  '|exports?|exported|downloads?|downloaded'
  '|deletes?|deleted|deletion|remove|removed|removal|purged?|erased?|erasure|destroy|destroyed|truncated?'
  '|refused?|den(y|ied)|forbidden|unauthorized|reject|rejected|blocked|locked|fail|failed|failure|errors?'
  ')($|[^a-z0-9])'
);
comment on function audit.is_security_action(text) is
  'Sign-ins; keys and secrets; roles, permissions and membership; exports; deletions; refused and failed actions.';

create or replace view audit.vw_security_audit as
select
  e.id, e.created_at, e.occurred_at, e.workspace_id, e.created_by_user_id, e.action_type, e.resource_type,
  e.resource_id, e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id, e.tags,
  e.metadata
from audit.every_event e
where e.deleted_at is null
  and audit.is_security_action(e.action_type);
comment on view audit.vw_security_audit is 'Events that matter to security, hot or archived, as audit.is_security_action() defines them.';

-- Planning a statement over years of months takes longer than running it, and most resources have few events. This asks by
-- plans that a session makes once: it looks at keys alone, of the narrowest index that the filter has.
create or replace function audit.look_back(
  p_workspace_id text, p_resource_type text, p_resource_id text, p_user_id text, p_before timestamptz, p_limit int
) returns table (found int, oldest timestamptz)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  if p_resource_type is not null and p_resource_id is not null then
    return query
    select count(*)::int, min(k.created_at)
    from (
      select e.created_at
      from audit.every_event e
      where e.workspace_id = p_workspace_id
        and e.resource_type = p_resource_type
        and e.resource_id = p_resource_id
        and e.created_at < p_before
      order by e.created_at desc, e.id desc
      limit p_limit
    ) k;
  elsif p_user_id is not null then
    return query
    select count(*)::int, min(k.created_at)
    from (
      select e.created_at
      from audit.every_event e
      where e.workspace_id = p_workspace_id and e.created_by_user_id = p_user_id and e.created_at < p_before
      order by e.created_at desc, e.id desc
      limit p_limit
    ) k;
  else
    return query
    select count(*)::int, min(k.created_at)
    from (
      select e.created_at
      from audit.every_event e
      where e.workspace_id = p_workspace_id and e.created_at < p_before
      order by e.created_at desc, e.id desc
      limit p_limit
    ) k;
  end if;
end
$$;
comment on function audit.look_back(text, text, text, text, timestamptz, int) is
  'How many events (p_limit at most) a workspace has before a time, of a resource or a user if given, and when the oldest of these was.';
