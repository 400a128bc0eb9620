-- role: audit_keeper
-- Rows that move alone. Each of these is one statement, so that what is deleted here is inserted there or neither is; the
-- caller (archive-months.sql) has made the month on the other side, holds the archiver's lock and writes the log.
create or replace function audit.move_rows_to_archive(p_from timestamptz, p_to timestamptz, p_whole boolean, p_limit int)
returns table (moved int, oldest timestamptz, newest timestamptz)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with due as materialized (
    select w.id, w.created_at
    from audit.audit_events w
    where p_whole and w.created_at >= p_from and w.created_at < p_to
      and not exists (
        select from audit.audit_archive_pins k
        where k.event_created_at = w.created_at and k.event_id = w.id and k.pinned_until > now()
      )
    union all
    select d.id, d.created_at
    from audit.audit_retention_policies p
    cross join lateral (
      select o.id, o.created_at
      from audit.audit_events o
      where o.workspace_id = p.workspace_id
        and o.created_at >= p_from
        and o.created_at < least(p_to, clock_timestamp() - make_interval(days => p.hot_retention_days))
        and not exists (
          select from audit.audit_archive_pins k
          where k.event_created_at = o.created_at and k.event_id = o.id and k.pinned_until > now()
        )
      order by o.created_at
      limit p_limit
    ) d
    where not p_whole and p_from < clock_timestamp() - make_interval(days => p.hot_retention_days)
    limit p_limit
  ),
  gone as (
    delete from audit.audit_events h
    using due
    where h.id = due.id and h.created_at = due.created_at and h.created_at >= p_from and h.created_at < p_to
    returning h.*
  ),
  stored as (
    insert into audit.audit_events_archive (
      id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
      old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata, txid, deleted_at,
      deleted_by_user_id, deletion_reason, archived_at
    )
    select
      g.id, g.created_at, g.occurred_at, g.event_id, g.workspace_id, g.created_by_user_id, g.action_type, g.resource_type,
      g.resource_id, g.old_values, g.new_values, g.changed_fields, g.ip_address, g.user_agent, g.request_id, g.tags,
      g.metadata, g.txid, g.deleted_at, g.deleted_by_user_id, g.deletion_reason, clock_timestamp()
    from gone g
    returning created_at
  )
  select count(*)::int, min(s.created_at), max(s.created_at) from stored s;
end
$$;
comment on function audit.move_rows_to_archive(timestamptz, timestamptz, boolean, int) is
  'Moves up to p_limit events of a month into the archive: those that are due, or all; never one that is pinned.';

create or replace function audit.move_rows_from_archive(p_from timestamptz, p_to timestamptz, p_id uuid, p_limit int)
returns table (moved int, oldest timestamptz, newest timestamptz)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  with chosen as materialized (
    select o.id, o.created_at
    from audit.audit_events_archive o
    where o.created_at >= p_from and o.created_at < p_to and (p_id is null or o.id = p_id)
    order by o.created_at
    limit p_limit
  ),
  gone as (
    delete from audit.audit_events_archive a
    using chosen
    where a.id = chosen.id and a.created_at = chosen.created_at and a.created_at >= p_from and a.created_at < p_to
    returning a.*
  ),
  stored as (
    -- As the keeper, so neither the order in time nor membership is asked again, and txid stays.
    insert into audit.audit_events (
      id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
      old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata, txid, deleted_at,
      deleted_by_user_id, deletion_reason
    )
    select
      g.id, g.created_at, g.occurred_at, g.event_id, g.workspace_id, g.created_by_user_id, g.action_type, g.resource_type,
      g.resource_id, g.old_values, g.new_values, g.changed_fields, g.ip_address, g.user_agent, g.request_id, g.tags,
      g.metadata, g.txid, g.deleted_at, g.deleted_by_user_id, g.deletion_reason
    from gone g
    returning created_at
  )
  select count(*)::int, min(s.created_at), max(s.created_at) from stored s;
end
$$;
comment on function audit.move_rows_from_archive(timestamptz, timestamptz, uuid, int) is
  'Moves up to p_limit archived events of a month back into hot storage, or the one with an id.';

-- A line of audit.archive_lines, whose columns stand in this order. It is the caller who knows that it is one.
create or replace function audit.store_archived_line(p_line jsonb) returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  insert into audit.audit_events (
    id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
    old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata, txid, deleted_at,
    deleted_by_user_id, deletion_reason
  )
  select
    (p_line ->> 0)::uuid, audit.from_micros(p_line ->> 1), audit.from_micros(p_line ->> 2), p_line ->> 3, p_line ->> 4,
    p_line ->> 5, p_line ->> 6, p_line ->> 7, p_line ->> 8, (p_line ->> 9)::jsonb, (p_line ->> 10)::jsonb,
    a.changed_fields, (p_line ->> 12)::inet, p_line ->> 13, p_line ->> 14, a.tags, (p_line ->> 16)::jsonb,
    (p_line ->> 17)::xid8, audit.from_micros(p_line ->> 18), p_line ->> 19, p_line ->> 20
  from jsonb_to_record(
    jsonb_build_object('changed_fields', (p_line ->> 11)::jsonb, 'tags', (p_line ->> 15)::jsonb)
  ) a (changed_fields text[], tags text[])
$$;
comment on function audit.store_archived_line(jsonb) is
  'Stores an event in hot storage as a cold file holds it; its month is there.';
