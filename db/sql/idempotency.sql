-- state: new (the caller goes on and calls finish_idempotent in the same transaction), replay (with the stored answer),
-- mismatch (the key was used for another request) or running (another transaction is at it).
create or replace function audit.begin_idempotent(p_key_id uuid, p_idempotency_key text, p_request_hash bytea)
returns table (state text, status int, body jsonb)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  c_lifetime constant interval := '24 hours';
  c_attempts constant int := 5;
  c_pause_s constant float := 0.02;
  v_lock constant bigint := hashtextextended(p_key_id::text || ':' || p_idempotency_key, 0);
  v_row audit.idempotency_keys;
begin
  -- An error reaches its client a moment before its transaction lets go of the lock, and the client may be quick.
  for attempt in 1 .. c_attempts loop
    exit when pg_try_advisory_xact_lock(v_lock);
    if attempt = c_attempts then
      return query select 'running', null::int, null::jsonb;
      return;
    end if;
    perform pg_sleep(c_pause_s);
  end loop;
  select * into v_row
  from audit.idempotency_keys k
  where k.key_id = p_key_id and k.idempotency_key = p_idempotency_key;
  if not found then
    return query select 'new', null::int, null::jsonb;
  elsif v_row.created_at < clock_timestamp() - c_lifetime then
    delete from audit.idempotency_keys k
    where k.key_id = p_key_id and k.idempotency_key = p_idempotency_key;
    return query select 'new', null::int, null::jsonb;
  elsif v_row.request_hash = p_request_hash then
    return query select 'replay', v_row.status, v_row.body;
  else
    return query select 'mismatch', null::int, null::jsonb;
  end if;
end
$$;
comment on function audit.begin_idempotent(uuid, text, bytea) is
  'Claims an idempotency key until the end of the transaction, or says what became of its first use.';

-- In plpgsql, because an SQL function with settings of its own is planned anew at each call before PostgreSQL 18.
create or replace function audit.finish_idempotent(
  p_key_id uuid, p_idempotency_key text, p_request_hash bytea, p_status int, p_body jsonb
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into audit.idempotency_keys (key_id, idempotency_key, request_hash, status, body)
  values (p_key_id, p_idempotency_key, p_request_hash, p_status, p_body);
end
$$;
comment on function audit.finish_idempotent(uuid, text, bytea, int, jsonb) is
  'Keeps the answer of a finished request; commits with what the request wrote.';

-- The hot path: idempotency and all rows in one statement, so one round trip and one commit. One event without a natural
-- key, which is what most requests bring, is inserted here: insert_audit_events() costs it half as much again
-- (docs/PERFORMANCE.md).
create or replace function audit.ingest_audit_events(
  p_events jsonb, p_key_id uuid default null, p_idempotency_key text default null, p_request_hash bytea default null
) returns table (state text, results jsonb)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_state text := 'new';
  v_results jsonb;
  v_conflict boolean;
begin
  if p_idempotency_key is not null then
    select b.state, b.body into v_state, v_results
    from audit.begin_idempotent(p_key_id, p_idempotency_key, p_request_hash) b;
  end if;
  if v_state <> 'new' then
    return query select v_state, v_results;
    return;
  end if;

  if jsonb_typeof(p_events) = 'array' and jsonb_array_length(p_events) = 1 and p_events -> 0 ->> 'event_id' is null then
    insert into audit.audit_events as a (
      id, workspace_id, occurred_at, created_by_user_id, action_type, resource_type, resource_id, old_values, new_values,
      changed_fields, ip_address, user_agent, request_id, tags, metadata
    )
    select
      audit.uuid_v7(), e.workspace_id, e.occurred_at, e.created_by_user_id, e.action_type, e.resource_type, e.resource_id,
      e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id, e.tags, e.metadata
    from jsonb_to_record(p_events -> 0) as e (
      workspace_id text, occurred_at timestamptz, created_by_user_id text, action_type text, resource_type text,
      resource_id text, old_values jsonb, new_values jsonb, changed_fields text[], ip_address inet, user_agent text,
      request_id text, tags text[], metadata jsonb
    )
    returning jsonb_build_array(
      jsonb_build_object('id', a.id, 'createdAt', a.created_at, 'duplicate', false, 'conflict', false)
    ) into v_results;
  else
    select
      jsonb_agg(
        jsonb_build_object('id', e.id, 'createdAt', e.created_at, 'duplicate', e.duplicate, 'conflict', e.conflict)
        order by e.ordinality
      ),
      bool_or(e.conflict)
    into v_results, v_conflict
    from audit.insert_audit_events(p_events) e;
    if v_conflict then
      raise exception 'An eventId was used for another event'
        using errcode = 'AF409', detail = v_results::text;
    end if;
  end if;

  if p_idempotency_key is not null then
    insert into audit.idempotency_keys (key_id, idempotency_key, request_hash, status, body)
    values (p_key_id, p_idempotency_key, p_request_hash, 201, v_results);
  end if;
  return query select v_state, v_results;
end
$$;
comment on function audit.ingest_audit_events(jsonb, uuid, text, bytea) is
  'Appends events under an idempotency key in one statement; SQLSTATE AF409 when an event_id holds another event.';

create or replace function audit.sweep_idempotency_keys(p_limit int default 5000) returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted int;
begin
  with due as materialized (
    select o.key_id, o.idempotency_key
    from audit.idempotency_keys o
    where o.created_at < clock_timestamp() - interval '24 hours'
    order by o.created_at
    limit p_limit
    for update skip locked
  )
  delete from audit.idempotency_keys k
  using due
  where k.key_id = due.key_id and k.idempotency_key = due.idempotency_key;
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$$;
comment on function audit.sweep_idempotency_keys(int) is 'Removes answers older than 24 hours, at most p_limit of them.';
