-- Which top-level keys differ between two JSON objects, in alphabetical order; null when none does. One look-up per key
-- of either: a full join of jsonb_each() took more than twice as long. Parsed when made, so that callers inline it.
create or replace function audit.changed_keys(p_old jsonb, p_new jsonb) returns text[]
language sql immutable parallel safe
return (
  select array_agg(k order by k collate "C")
  from jsonb_object_keys(p_old || p_new) k
  where (p_old -> k) is distinct from (p_new -> k)
);
comment on function audit.changed_keys(jsonb, jsonb) is 'Names of the top-level keys in which two JSON objects differ.';

create or replace function audit.fill_changed_fields() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A value that is no object is left to the named checks, which say what is wrong with it.
  if jsonb_typeof(new.old_values) = 'object' and jsonb_typeof(new.new_values) = 'object' then
    new.changed_fields := audit.changed_keys(new.old_values, new.new_values);
  end if;
  return new;
end
$$;
comment on function audit.fill_changed_fields() is 'Trigger: computes changed_fields where the caller gave none.';

create or replace trigger audit_events_changed_fields
  before insert on audit.audit_events
  for each row when (new.changed_fields is null and new.old_values is not null and new.new_values is not null)
  execute function audit.fill_changed_fields();
comment on trigger audit_events_changed_fields on audit.audit_events is 'changed_fields follows from old and new values.';

-- Appends a JSON array of events (keys are column names) in one statement, all or nothing. An event whose event_id is
-- stored already is not stored again: its first id comes back with duplicate = true, and with conflict = true when
-- what is stored differs (request_id apart, which changes with every retry).
create or replace function audit.insert_audit_events(p_events jsonb)
returns table (ordinality int, id uuid, created_at timestamptz, duplicate boolean, conflict boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_ordinals int[] := '{}';
begin
  if jsonb_typeof(p_events) is distinct from 'array' then
    raise exception 'p_events must be a JSON array of events' using errcode = 'invalid_parameter_value';
  end if;

  for ordinality, id, created_at, duplicate, conflict in
    with incoming as materialized (
      select
        i.ordinality::int as ordinality,
        audit.uuid_v7() as id,
        i.item ->> 'workspace_id' as workspace_id,
        i.item ->> 'event_id' as event_id,
        i.item
      from jsonb_array_elements(p_events) with ordinality i (item, ordinality)
    ),
    claimed as (
      insert into audit.audit_event_keys (workspace_id, event_id, id, payload_hash)
      select distinct on (workspace_id, event_id) workspace_id, event_id, id, audit.event_payload_hash(item)
      from incoming
      where event_id is not null and workspace_id is not null
      order by workspace_id, event_id, ordinality
      on conflict (workspace_id, event_id) do nothing
      returning id
    ),
    stored as (
      insert into audit.audit_events (
        id, workspace_id, event_id, occurred_at, created_by_user_id, action_type, resource_type, resource_id,
        old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata
      )
      select
        n.id, n.workspace_id, n.event_id, e.occurred_at, e.created_by_user_id, e.action_type, e.resource_type,
        e.resource_id, e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id,
        e.tags, e.metadata
      from incoming n,
        jsonb_to_record(n.item) as e (
          occurred_at timestamptz, created_by_user_id text, action_type text, resource_type text, resource_id text,
          old_values jsonb, new_values jsonb, changed_fields text[], ip_address inet, user_agent text,
          request_id text, tags text[], metadata jsonb
        )
      where n.event_id is null or n.workspace_id is null or n.id in (select claimed.id from claimed)
      order by n.ordinality
      returning id, created_at
    )
    select n.ordinality, n.id, s.created_at, false, false
    from incoming n
    join stored s on s.id = n.id
  loop
    v_ordinals := v_ordinals || ordinality;
    return next;
  end loop;

  if cardinality(v_ordinals) = jsonb_array_length(p_events) then
    return;
  end if;

  -- A second statement sees what a concurrent writer of the same event_id has committed meanwhile.
  return query
  select i.ordinality::int, k.id, coalesce(e.created_at, audit.uuid_v7_time(k.id)), true, k.payload_hash <> audit.event_payload_hash(i.item)
  from jsonb_array_elements(p_events) with ordinality i (item, ordinality)
  join audit.audit_event_keys k on k.workspace_id = i.item ->> 'workspace_id' and k.event_id = i.item ->> 'event_id'
  -- The time in the id leads to the one month that has it.
  left join audit.every_event e
    on e.id = k.id
    and e.created_at >= audit.uuid_v7_time(k.id) - interval '1 minute'
    and e.created_at < audit.uuid_v7_time(k.id) + interval '10 minutes'
  where i.ordinality <> all (v_ordinals);
end
$$;
comment on function audit.insert_audit_events(jsonb) is
  'Appends an array of events (keys are column names), all or nothing; an event_id stored before is not stored again.';

-- A retry may come by another road (HTTP or SQL), so nulls and missing keys are equal, and one instant is one instant.
create or replace function audit.event_payload_hash(p_event jsonb) returns bytea
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select sha256(convert_to(
    jsonb_object_agg(
      e.key,
      case when e.key = 'occurred_at' then to_jsonb(extract(epoch from (e.value #>> '{}')::timestamptz)) else e.value end
    )::text,
    'UTF8'
  ))
  from jsonb_each(p_event) e
  where e.key <> 'request_id' and e.value <> 'null'
$$;
comment on function audit.event_payload_hash(jsonb) is
  'SHA-256 of what an event says, without request_id, which changes with every retry.';

create or replace function audit.insert_audit_event(
  p_action_type text,
  p_resource_type text,
  p_resource_id text,
  p_workspace_id text,
  p_created_by_user_id text,
  p_old_values jsonb default null,
  p_new_values jsonb default null,
  p_ip_address text default null,
  p_user_agent text default null,
  p_tags text[] default null,
  p_metadata jsonb default null,
  p_request_id text default null,
  p_occurred_at timestamptz default null,
  p_event_id text default null
) returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row record;
begin
  select * into v_row
  from audit.insert_audit_events(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'action_type', p_action_type,
    'resource_type', p_resource_type,
    'resource_id', p_resource_id,
    'workspace_id', p_workspace_id,
    'created_by_user_id', p_created_by_user_id,
    'ip_address', p_ip_address,
    'user_agent', p_user_agent,
    'request_id', p_request_id,
    'occurred_at', p_occurred_at,
    'event_id', p_event_id
  )) || jsonb_build_object(
    'old_values', p_old_values, 'new_values', p_new_values, 'tags', p_tags, 'metadata', p_metadata
  )));
  if v_row.conflict then
    raise exception 'Event id % was used for another event', p_event_id
      using errcode = 'unique_violation', hint = 'Give every event an id of its own.';
  end if;
  return v_row.id;
end
$$;
comment on function audit.insert_audit_event(
  text, text, text, text, text, jsonb, jsonb, text, text, text[], jsonb, text, timestamptz, text
) is 'Appends one event and returns its id.';

-- Postgres casts no uuid to text by itself, so each mix of the two needs a signature of its own. Plain string literals
-- stay unambiguous: for them it prefers text. All are dropped first, because another signature would not replace them.
do $$
declare
  v_overload regprocedure;
  v_resource text;
  v_workspace text;
  v_user text;
begin
  for v_overload in
    select p.oid
    from pg_catalog.pg_proc p
    where p.pronamespace = 'audit'::regnamespace
      and p.proname = 'insert_audit_event'
      and 'uuid'::regtype = any (p.proargtypes)
  loop
    execute format('drop function %s', v_overload);
  end loop;

  for v_resource, v_workspace, v_user in
    select r.type, w.type, u.type
    from (values ('text'), ('uuid')) r (type)
    cross join (values ('text'), ('uuid')) w (type)
    cross join (values ('text'), ('uuid')) u (type)
    where 'uuid' in (r.type, w.type, u.type)
  loop
    execute format(
      $format$
        create function audit.insert_audit_event(
          p_action_type text,
          p_resource_type text,
          p_resource_id %s,
          p_workspace_id %s,
          p_created_by_user_id %s,
          p_old_values jsonb default null,
          p_new_values jsonb default null,
          p_ip_address text default null,
          p_user_agent text default null,
          p_tags text[] default null,
          p_metadata jsonb default null,
          p_request_id text default null,
          p_occurred_at timestamptz default null,
          p_event_id text default null
        ) returns uuid
        language sql
        set search_path = pg_catalog, pg_temp
        as $body$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $body$
      $format$,
      v_resource, v_workspace, v_user
    );
    execute format(
      'comment on function audit.insert_audit_event(text, text, %s, %s, %s, jsonb, jsonb, text, text, text[], jsonb, '
      'text, timestamptz, text) is %L',
      v_resource, v_workspace, v_user, 'insert_audit_event() for ids of which some are UUIDs.'
    );
  end loop;
end
$$;
