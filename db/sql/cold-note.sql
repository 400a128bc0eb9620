-- Whoever wrote the file says where it is and what its bytes must be. What its rows are, which decides whether searches find them
-- and whether the month may go, is counted here from the table itself; the digest of what was read back has to agree.
create or replace function audit.note_cold_file(p_file jsonb) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  v_file audit.cold_months := jsonb_populate_record(null::audit.cold_months, p_file);
  v_after record;
  v_found record;
begin
  select f.last_workspace_id, f.last_created_at, f.last_id into v_after
  from audit.cold_months f
  where f.month = v_file.month and f.part < v_file.part and f.dropped_at is null
  order by f.part desc
  limit 1;
  select
    count(*) as row_count,
    sha256(string_agg(sha256(convert_to(l.line, 'UTF8')), ''::bytea order by l.workspace_id, l.created_at, l.id)) as digest,
    sum(l.mark) as marks,
    min(l.created_at) as min_created_at,
    max(l.created_at) as max_created_at,
    array_agg(distinct l.workspace_id collate "C") as workspaces,
    min(l.id::text collate "C")::uuid as min_id,
    max(l.id::text collate "C")::uuid as max_id
  into v_found
  from audit.archive_lines l
  where l.created_at >= v_file.month::timestamp
    and l.created_at < v_file.month::timestamp + interval '1 month'
    and not l.is_in_file
    and (
      v_after.last_id is null
      or (l.workspace_id, l.created_at, l.id) > (v_after.last_workspace_id, v_after.last_created_at, v_after.last_id)
    )
    and (l.workspace_id, l.created_at, l.id) <= (v_file.last_workspace_id, v_file.last_created_at, v_file.last_id);
  if v_found.row_count = 0 or v_found.digest is distinct from v_file.rows_digest then
    return false;
  end if;
  insert into audit.cold_months (
    month, part, object_key, row_count, bytes, min_created_at, max_created_at, min_workspace_id, max_workspace_id, workspaces,
    min_id, max_id, last_workspace_id, last_created_at, last_id, rows_digest, row_marks, sha256, chunk_bytes, chunk_digests,
    schema_version, encryption, exported_at, verified_at
  ) values (
    v_file.month, v_file.part, v_file.object_key, v_found.row_count, v_file.bytes, v_found.min_created_at,
    v_found.max_created_at, v_found.workspaces[1], v_found.workspaces[cardinality(v_found.workspaces)], v_found.workspaces,
    v_found.min_id, v_found.max_id, v_file.last_workspace_id, v_file.last_created_at, v_file.last_id, v_found.digest,
    v_found.marks, v_file.sha256, v_file.chunk_bytes, v_file.chunk_digests, v_file.schema_version, v_file.encryption,
    v_file.exported_at, clock_timestamp()
  );
  return true;
end
$$;
comment on function audit.note_cold_file(jsonb) is
  'Notes the next file of a month, with counts, bounds and marks taken from its table; false when the file''s rows are not the table''s. 23505: this part is noted already.';
