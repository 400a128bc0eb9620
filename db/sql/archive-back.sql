create or replace function audit.log_return(
  p_id uuid, p_workspace_id text, p_from text, p_until timestamptz, p_user_id text, p_reason text
) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select audit.log_move(
    'audit_event', p_id::text, coalesce(p_reason, 'Asked for'),
    jsonb_build_object(
      'move', 'unarchive', 'from', p_from, 'to', 'audit_events', 'rowCount', 1,
      'workspaceId', p_workspace_id, 'byUserId', p_user_id, 'staysUntil', p_until
    )
  )
$$;
comment on function audit.log_return(uuid, text, text, timestamptz, text, text) is
  'Writes down that an event came back to hot storage.';

-- The caller has looked whether whoever asks may see the event. The month is made again where it is gone; the keeper writes,
-- so the order in time is not asked. The pin is what keeps the archiver off; those that are over go when one is added.
create or replace function audit.unarchive_audit_event(
  p_id uuid, p_keep_days int default 30, p_user_id text default null, p_reason text default null
) returns timestamptz
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  c_keep_days_max constant int := 3650;
  v_user constant text := coalesce(
    p_user_id, nullif(current_setting('app.user_id', true), ''), 'database:' || session_user
  );
  v_event record;
  v_until timestamptz;
begin
  if p_keep_days is null or p_keep_days not between 1 and c_keep_days_max then
    raise exception 'p_keep_days is %, but must be from 1 to %', coalesce(p_keep_days::text, 'null'), c_keep_days_max
      using errcode = 'invalid_parameter_value';
  end if;
  perform audit.lock_archiver();
  select e.created_at, e.workspace_id, e.archived_at is not null as is_archived into v_event
  from audit.every_event e
  where e.id = p_id
  order by e.created_at
  limit 1;
  if not found then
    raise exception 'No event in hot storage or the archive has this id' using
      errcode = 'no_data_found',
      hint = case when exists (
        select from audit.cold_months f
        where f.dropped_at is not null and f.purged_at is null and p_id between f.min_id and f.max_id
      ) then 'It may be in a cold file, which POST /api/audit/events/{id}/unarchive reads.' else '' end;
  end if;
  delete from audit.audit_archive_pins k where k.pinned_until <= now();
  insert into audit.audit_archive_pins as k (
    event_id, event_created_at, workspace_id, pinned_until, pinned_by_user_id, reason
  ) values (
    p_id, v_event.created_at, v_event.workspace_id, now() + make_interval(days => p_keep_days), v_user, p_reason
  )
  on conflict (event_created_at, event_id) do update
    set pinned_until = excluded.pinned_until,
        pinned_at = clock_timestamp(),
        pinned_by_user_id = excluded.pinned_by_user_id,
        reason = excluded.reason
    -- Somebody else may need it longer.
    where k.pinned_until < excluded.pinned_until;
  select k.pinned_until into strict v_until
  from audit.audit_archive_pins k
  where k.event_created_at = v_event.created_at and k.event_id = p_id;
  if v_event.is_archived then
    perform audit.add_month_for_rows('audit_events', v_event.created_at::date);
    perform audit.move_rows_from_archive(v_event.created_at, v_event.created_at + interval '1 microsecond', p_id, 1);
    perform audit.log_return(p_id, v_event.workspace_id, 'audit_events_archive', v_until, v_user, p_reason);
  end if;
  perform audit.insert_service_event(jsonb_build_object(
    'action_type', 'UNARCHIVE_AUDIT_EVENT',
    'resource_type', 'audit_event',
    'resource_id', p_id,
    'workspace_id', v_event.workspace_id,
    'created_by_user_id', v_user,
    'request_id', nullif(current_setting('app.request_id', true), ''),
    'new_values', jsonb_strip_nulls(jsonb_build_object('staysUntil', v_until, 'reason', p_reason)),
    'metadata', jsonb_build_object('login', session_user)
  ));
  return v_until;
end
$$;
comment on function audit.unarchive_audit_event(uuid, int, text, text) is
  'Brings an archived event back into hot storage, or keeps a hot one there, for some days, and says until when it stays, which is later where somebody asked for longer; P0002 when none has this id.';
