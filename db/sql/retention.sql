-- A policy as the log of events and the API show it.
create or replace function audit.retention_values(p audit.audit_retention_policies) returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'hotRetentionDays', p.hot_retention_days,
    'warmArchiveDays', p.warm_archive_days,
    'coldRetentionDays', p.cold_retention_days,
    'isComplianceMode', p.is_compliance_mode,
    'complianceReason', p.compliance_reason
  )
$$;
comment on function audit.retention_values(audit.audit_retention_policies) is 'What a retention policy says, as JSON.';

-- The same for a workspace that has no row: the defaults of the table's columns.
create or replace function audit.default_retention_values() returns jsonb
language sql immutable parallel safe
return jsonb_build_object(
  'hotRetentionDays', 90, 'warmArchiveDays', 365, 'coldRetentionDays', 2555,
  'isComplianceMode', false, 'complianceReason', null
);
comment on function audit.default_retention_values() is 'What holds for a workspace without a policy of its own, as JSON.';

-- As the watermark is made: by whoever gets the lock, and never waited for. A workspace that is passed over here gets its row
-- with a later event, or from the archiver.
create or replace function audit.ensure_retention_policy(p_workspace_id text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_lock_space constant int := 1097622048;
begin
  if p_workspace_id is not null
    and not exists (select from audit.audit_retention_policies p where p.workspace_id = p_workspace_id)
    and current_setting('transaction_isolation') = 'read committed'
    and pg_try_advisory_xact_lock(c_lock_space, hashtext(p_workspace_id))
  then
    insert into audit.audit_retention_policies (workspace_id) values (p_workspace_id) on conflict do nothing;
  end if;
end
$$;
comment on function audit.ensure_retention_policy(text) is
  'Gives a workspace the default policy if it has none; leaves it to a later event rather than wait.';

create or replace function audit.stamp_retention_policy() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_lock_space constant int := 1097622048;
begin
  if tg_op = 'INSERT' then
    -- A first event must not wait for a policy that somebody is just writing: it tries for this lock, and passes on.
    perform pg_advisory_xact_lock(c_lock_space, hashtext(new.workspace_id));
    if audit.retention_values(new) = audit.default_retention_values() then
      return new;
    end if;
  elsif new.workspace_id <> old.workspace_id then
    raise exception 'A retention policy stays with its workspace'
      using errcode = 'integrity_constraint_violation', hint = 'Insert a policy for the other workspace.';
  end if;
  new.updated_at := clock_timestamp();
  new.updated_by_user_id := coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user);
  return new;
end
$$;
comment on function audit.stamp_retention_policy() is 'Trigger: notes when a policy was changed and by whom.';

create or replace trigger audit_retention_policies_stamp
  before insert or update on audit.audit_retention_policies
  for each row execute function audit.stamp_retention_policy();
comment on trigger audit_retention_policies_stamp on audit.audit_retention_policies is
  'Who changed a policy is whoever did.';

-- The log is the audit log itself: an event of the workspace that nobody can change afterwards, whatever program or person
-- made the change. What changes nothing (a first event's row with the defaults) is no change.
create or replace function audit.log_retention_change() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before constant jsonb := case
    when tg_op = 'INSERT' then audit.default_retention_values() else audit.retention_values(old) end;
  v_after constant jsonb := case
    when tg_op = 'DELETE' then audit.default_retention_values() else audit.retention_values(new) end;
  v_workspace constant text := case when tg_op = 'DELETE' then old.workspace_id else new.workspace_id end;
begin
  if v_before <> v_after then
    perform audit.insert_service_event(jsonb_build_object(
      'action_type', 'UPDATE_RETENTION_POLICY',
      'resource_type', 'retention_policy',
      'resource_id', v_workspace,
      'workspace_id', v_workspace,
      'created_by_user_id', coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user),
      'request_id', nullif(current_setting('app.request_id', true), ''),
      'old_values', v_before,
      'new_values', v_after,
      'metadata', jsonb_build_object('login', session_user)
    ));
  end if;
  return null;
end
$$;
comment on function audit.log_retention_change() is
  'Trigger: writes an event with a policy before and after, in the transaction that changes it.';

create or replace trigger audit_retention_policies_log
  after insert or update or delete on audit.audit_retention_policies
  for each row execute function audit.log_retention_change();
comment on trigger audit_retention_policies_log on audit.audit_retention_policies is
  'Every change of a policy is an event of its workspace.';

create or replace trigger audit_retention_policies_stay
  before truncate on audit.audit_retention_policies
  for each statement execute function audit.refuse_event_change('Retention policies');
comment on trigger audit_retention_policies_stay on audit.audit_retention_policies is
  'Policies do not go all at once, which no log would show.';
