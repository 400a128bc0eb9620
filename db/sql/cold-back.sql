-- The database cannot read the file, so whoever has read it must show that the event is in it: the digests of all its rows, which
-- give the noted one, and the line that has the digest at its place. Nobody can bring in an event that was never archived.
create or replace function audit.unarchive_cold_event(
  p_file uuid, p_row int, p_line text, p_digests bytea, p_keep_days int, p_user_id text, p_reason text
) returns timestamptz
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  c_digest constant int := 32;
  v_file record;
  v_line jsonb;
  v_id uuid;
  v_created_at timestamptz;
begin
  perform audit.lock_archiver();
  -- Against a purge that begins now.
  select f.object_key, f.row_count, f.rows_digest into v_file
  from audit.cold_months f
  where f.id = p_file and f.dropped_at is not null and f.purged_at is null
  for share;
  if not found then
    raise exception 'This cold file is not there any more' using errcode = 'no_data_found';
  end if;
  if (
    p_row between 1 and v_file.row_count
    and length(p_digests) = c_digest * v_file.row_count
    and sha256(p_digests) = v_file.rows_digest
    and substr(p_digests, c_digest * (p_row - 1) + 1, c_digest) = sha256(convert_to(p_line, 'UTF8'))
  ) is not true then
    raise exception 'This is no event of the cold file' using errcode = 'insufficient_privilege';
  end if;
  v_line := p_line::jsonb;
  v_id := v_line ->> 0;
  v_created_at := audit.from_micros(v_line ->> 1);
  if not exists (select from audit.every_event e where e.id = v_id and e.created_at = v_created_at) then
    -- With an entry, and not in the database, it was removed there.
    insert into audit.cold_returns (file_id, event_created_at, event_id, content_digest)
    values (p_file, v_created_at, v_id, audit.content_digest(p_line));
    perform audit.add_month_for_rows('audit_events', v_created_at::date);
    perform audit.store_archived_line(v_line);
    perform audit.log_return(
      v_id, v_line ->> 4, v_file.object_key, now() + make_interval(days => p_keep_days), p_user_id, p_reason
    );
  end if;
  return audit.unarchive_audit_event(v_id, p_keep_days, p_user_id, p_reason);
end
$$;
comment on function audit.unarchive_cold_event(uuid, int, text, bytea, int, text, text) is
  'Brings an event back from a cold file into hot storage: its line (row p_row from 1) and the digests of all rows prove that the file holds it. P0002 when the file was purged, 42501 when it does not hold it.';
