-- A file goes as a whole, so it is due when its last workspace is. Compliance mode stops nothing that a person approves; the
-- proposal names it.
create or replace function audit.due_cold_files() returns table (
  id uuid, month date, object_key text, row_count bigint, bytes bigint, compliance_workspaces text[]
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select f.id, f.month, f.object_key, f.row_count, f.bytes, r.compliance_workspaces
  from audit.cold_months f
  cross join lateral (
    select
      max(coalesce(p.cold_retention_days, 2555)) as days,
      coalesce(array_agg(w.id) filter (where p.is_compliance_mode), '{}') as compliance_workspaces
    from unnest(f.workspaces) w (id)
    left join audit.audit_retention_policies p on p.workspace_id = w.id
  ) r
  where f.dropped_at is not null
    and f.purged_at is null
    and f.max_created_at < now() - make_interval(days => r.days)
  order by f.month, f.part
$$;
comment on function audit.due_cold_files() is 'Cold files in which every event is past its workspace''s cold retention.';

-- Holds may name a user or a resource, which only the file itself can tell: these are the ones to look for in it.
create or replace function audit.holds_on_file(p_file uuid) returns setof uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select h.id
  from audit.cold_months f
  join audit.legal_holds h on h.workspace_id is null or h.workspace_id = any (f.workspaces)
  where f.id = p_file and h.released_at is null
$$;
comment on function audit.holds_on_file(uuid) is 'Holds that could concern an event in a cold file.';

create or replace function audit.is_whole_file_held(p_file uuid) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from audit.cold_months f
    cross join lateral unnest(f.workspaces) w (id)
    cross join lateral audit.deletion_stops(w.id, null, null, null, false)
    where f.id = p_file
  )
$$;
comment on function audit.is_whole_file_held(uuid) is
  'Whether a hold names a workspace of a cold file and nothing else, so that the file need not be read to know.';

-- From here on no reader opens the file; the object goes afterwards, and a repeated step finds it marked. p_cleared are the
-- holds that were looked for in the file and fit none of its events: one that is newer keeps it.
create or replace function audit.begin_file_purge(p_purge uuid, p_file uuid, p_cleared uuid[]) returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_purge audit.purges;
  v_file audit.cold_months;
begin
  select * into v_purge from audit.purges p where p.id = p_purge for share;
  select * into v_file from audit.cold_months f where f.id = p_file for update;
  if v_purge.status is distinct from 'approved' or v_purge.decision is distinct from 'approved' or not (p_file = any (v_purge.files)) then
    raise exception 'nobody approved that this file be purged' using errcode = 'insufficient_privilege';
  end if;
  if v_file.purged_at is not null then
    return 'purged';
  end if;
  -- A hold that is being placed now is waited for, and one placed later finds the file gone.
  perform audit.lock_holds();
  if exists (select from audit.holds_on_file(p_file) h where h <> all (p_cleared)) then
    return 'held';
  end if;
  if not exists (select from audit.due_cold_files() d where d.id = p_file) then
    return 'not due';
  end if;
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, approval_ticket_id, is_irrevocable,
    details
  ) values (
    v_purge.decided_by_user_id, 'cold_file', v_file.object_key, 'retention', 'past its cold retention', p_purge::text, true,
    jsonb_build_object(
      'month', to_char(v_file.month, 'YYYY-MM'), 'rows', v_file.row_count, 'bytes', v_file.bytes,
      'sha256', encode(v_file.sha256, 'hex'), 'workspaces', v_file.workspaces,
      'requestedByUserId', v_purge.requested_by_user_id, 'decidedAt', v_purge.decided_at
    )
  );
  update audit.cold_months f set purged_at = clock_timestamp(), purge_id = p_purge where f.id = p_file;
  delete from audit.cold_returns r where r.file_id = p_file;
  return 'purged';
end
$$;
comment on function audit.begin_file_purge(uuid, uuid, uuid[]) is
  'Marks a cold file of an approved purge as purged and logs it, unless it is held or no longer due: says purged, held or not due.';

create or replace function audit.note_file_removed(p_file uuid) returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update audit.cold_months f
  set removed_at = coalesce(f.removed_at, clock_timestamp())
  where f.id = p_file and f.purged_at is not null
$$;
comment on function audit.note_file_removed(uuid) is 'Notes that the object of a purged file is gone from the storage.';
