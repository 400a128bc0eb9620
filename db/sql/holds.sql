-- What stops the deletion of a record: THE predicate of every deletion, automatic or approved. Without SET the planner sees
-- through it: `where not exists (select from audit.deletion_stops(e.workspace_id, …))` over a million rows is one anti-join.
-- What a record does not have is null, and a hold that names it does not fit. One exception: where nobody knows a record's
-- workspace (an application's row, its history), a hold that names the record's type fits in whichever workspace it names.
create or replace function audit.deletion_stops(
  p_workspace_id text, p_resource_type text, p_resource_id text, p_user_id text, p_automatic boolean
) returns table (kind text, hold_id uuid, reason text)
language sql stable
as $$
  select 'hold', h.id, h.reason
  from audit.legal_holds h
  where h.released_at is null
    and (h.workspace_id is null or h.workspace_id = p_workspace_id or p_workspace_id is null and h.resource_type is not null)
    and (h.resource_type is null or h.resource_type = p_resource_type)
    and (h.resource_id is null or h.resource_id = p_resource_id)
    and (h.subject_user_id is null or h.subject_user_id = p_user_id or h.subject_user_id = p_resource_id)
  union all
  select 'compliance', null, p.compliance_reason
  from audit.audit_retention_policies p
  where p_automatic and p.is_compliance_mode and p.workspace_id = p_workspace_id
$$;
comment on function audit.deletion_stops(text, text, text, text, boolean) is
  'What keeps a record (workspace, resource, user) from being deleted: holds, and compliance mode where nobody approved it.';

-- Whoever deletes takes this first and asks then: a hold that is just being placed is waited for, and one that is placed later
-- finds what was deleted gone. For short transactions only, since placing a hold waits for their end; one whose client falls
-- silent ends soon. An older snapshot would not see the hold that was waited for.
create or replace function audit.lock_holds() returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'holds are asked in a transaction that is read committed' using errcode = 'active_sql_transaction';
  end if;
  lock table audit.legal_holds in share mode;
  perform set_config('idle_in_transaction_session_timeout', '2s', true);
end
$$;
comment on function audit.lock_holds() is
  'Keeps holds from being placed or released until the transaction ends, so that an answer of deletion_stops() stays true. 55P03: busy, ask again.';

create or replace function audit.check_hold_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if old.released_at is not null
    or new.released_at is null
    or (to_jsonb(new) - '{released_at,released_by_user_id,release_reason}'::text[])
      <> (to_jsonb(old) - '{released_at,released_by_user_id,release_reason}'::text[])
  then
    raise exception 'A legal hold can be released, once, and not changed'
      using errcode = 'insufficient_privilege', hint = 'Place another hold, then release this one.';
  end if;
  return new;
end
$$;
comment on function audit.check_hold_change() is 'Trigger: a hold stays as it was placed until it is released.';

create or replace trigger legal_holds_change
  before update on audit.legal_holds
  for each row execute function audit.check_hold_change();
comment on trigger legal_holds_change on audit.legal_holds is 'A hold is released, not changed.';

create or replace trigger legal_holds_stay
  before delete or truncate on audit.legal_holds
  for each statement execute function audit.refuse_event_change('Legal holds');
comment on trigger legal_holds_stay on audit.legal_holds is 'Released holds stay on record.';

create or replace function audit.log_hold_change() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform audit.insert_service_event(jsonb_build_object(
    'action_type', case when tg_op = 'INSERT' then 'PLACE_LEGAL_HOLD' else 'RELEASE_LEGAL_HOLD' end,
    'resource_type', 'legal_hold',
    'resource_id', new.id,
    'workspace_id', coalesce(new.workspace_id, 'afterimage'),
    'created_by_user_id', case when tg_op = 'INSERT' then new.placed_by_user_id else new.released_by_user_id end,
    'request_id', nullif(current_setting('app.request_id', true), ''),
    'new_values', jsonb_strip_nulls(jsonb_build_object(
      'workspaceId', new.workspace_id, 'resourceType', new.resource_type, 'resourceId', new.resource_id,
      'subjectUserId', new.subject_user_id, 'reason', new.reason, 'releaseReason', new.release_reason
    )),
    'metadata', jsonb_build_object('login', session_user)
  ));
  return null;
end
$$;
comment on function audit.log_hold_change() is 'Trigger: placing and releasing a hold are events.';

create or replace trigger legal_holds_log
  after insert or update on audit.legal_holds
  for each row execute function audit.log_hold_change();
comment on trigger legal_holds_log on audit.legal_holds is 'Placing and releasing a hold are events.';
