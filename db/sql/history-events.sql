-- as_events: {"resourceType": "workspace", "workspaceColumn": "id", "resourceColumn": "id", "insert": "CREATE_WORKSPACE",
-- "update": "UPDATE_WORKSPACE", "delete": "DELETE_WORKSPACE"}. An operation that is not named writes no event.
create or replace function audit.check_as_events(p_table regclass, p_as_events jsonb) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys constant text[] := '{resourceType,workspaceColumn,resourceColumn,insert,update,delete}';
  v_hint constant text := 'Give resourceType, workspaceColumn and resourceColumn, and of insert, update and delete the action types that are wanted.';
  v_key text;
begin
  if p_as_events is null then
    return;
  end if;
  if jsonb_typeof(p_as_events) <> 'object' then
    raise exception 'as_events must be a JSON object' using errcode = 'invalid_parameter_value', hint = v_hint;
  end if;
  foreach v_key in array v_keys || array(select jsonb_object_keys(p_as_events - v_keys)) loop
    if v_key <> all (v_keys) then
      raise exception 'as_events has no key %', v_key using errcode = 'invalid_parameter_value', hint = v_hint;
    elsif not p_as_events ? v_key then
      if v_key in ('insert', 'update', 'delete') and p_as_events ?| '{insert,update,delete}' then
        continue;
      end if;
      raise exception 'as_events lacks %', v_key using errcode = 'invalid_parameter_value', hint = v_hint;
    elsif jsonb_typeof(p_as_events -> v_key) <> 'string' or length(p_as_events ->> v_key) not between 1 and 200 then
      raise exception 'as_events.% must be a text of 1 to 200 characters', v_key
        using errcode = 'invalid_parameter_value', hint = v_hint;
    elsif v_key like '%Column' and not exists (
      select from pg_attribute
      where attrelid = p_table and attname = p_as_events ->> v_key and attnum > 0 and not attisdropped and attnotnull
    ) then
      raise exception 'as_events.% names %, which is no NOT NULL column of %', v_key, p_as_events ->> v_key, p_table
        using errcode = 'undefined_column', hint = 'An event belongs to a workspace and a resource.';
    end if;
  end loop;
end
$$;
comment on function audit.check_as_events(regclass, jsonb) is 'Refuses what track() cannot take as as_events, and says why.';

create or replace function audit.current_name(p_relation oid, p_noted text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select a.attname::text
  from audit.tracked_tables t
  join pg_attribute a on a.attrelid = t.relation and a.attnum > 0 and not a.attisdropped
  where t.relation = p_relation
    and (a.attnum = (t.columns #>> array[p_noted, 'number'])::smallint or a.attname = p_noted)
  order by (a.attname = p_noted)
  limit 1
);
comment on function audit.current_name(oid, text) is
  'What a column that had this name at tracking time is called now; null when there is none.';

-- Events of at most a thousand rows at a time, so that a large statement does not hold all of them at once. The values of an
-- UPDATE are those of the changed columns.
create or replace function audit.as_events_sql(p_relation oid, p_operation text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'audit.insert_captured_events(%s, %L, __b.rows) from (select jsonb_agg(__e.row) as rows from (select '
    '(row_number() over () - 1) / 1000 as batch, jsonb_build_object(''resource_id'', %s::text, ''workspace_id'', %s::text, '
    '''old_values'', %s, ''new_values'', %s, ''changed_fields'', %s) as row from %s) __e group by __e.batch) __b',
    p_relation, case p_operation when 'TRUNCATE' then 'DELETE' else p_operation end,
    audit.field_sql(p.row, n.resource), audit.field_sql(p.row, n.workspace),
    case p_operation
      when 'INSERT' then 'null'
      when 'UPDATE' then 'to_jsonb(__i) - ' || audit.compared_columns_sql(p_relation, '__o', '__n', false)
      else 'to_jsonb(__i)'
    end,
    case p_operation
      when 'INSERT' then 'to_jsonb(__j)'
      when 'UPDATE' then 'to_jsonb(__j) - ' || audit.compared_columns_sql(p_relation, '__o', '__n', false)
      else 'null'
    end,
    case p_operation when 'UPDATE' then audit.compared_columns_sql(p_relation, '__o', '__n', true) else 'null' end,
    audit.capture_source(p_relation, p_operation)
  )
  from audit.tracked_tables t
  cross join lateral (
    select
      case p_operation when 'INSERT' then 'insert' when 'UPDATE' then 'update' else 'delete' end as action,
      case when p_operation in ('INSERT', 'UPDATE') then '__n' else '__o' end as row
  ) p
  cross join lateral (
    select audit.current_name(p_relation, t.as_events ->> 'resourceColumn') as resource,
      audit.current_name(p_relation, t.as_events ->> 'workspaceColumn') as workspace
  ) n
  where t.relation = p_relation and t.as_events ? p.action and n.resource is not null and n.workspace is not null
);
comment on function audit.as_events_sql(oid, text) is
  'SQL, but for its SELECT, that writes the workspace events of an operation; null when it has none.';

-- Its own lines in the trigger function; a table without as_events has none.
create or replace function audit.as_events_code(p_relation oid, p_is_ready boolean) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select coalesce(
    case when p_is_ready then string_agg(
      format(E'\n  if tg_op = %L then\n    perform %s;\n  end if;', o.operation, audit.as_events_sql(p_relation, o.operation)), ''
    )
    else format(
      E'\n    if audit.as_events_sql(%1$s, tg_op) is not null then\n      execute ''select '' || audit.as_events_sql(%1$s, tg_op);\n    end if;',
      p_relation
    ) end,
    ''
  )
  from audit.tracked_tables t
  cross join unnest(array['INSERT', 'UPDATE', 'DELETE']) o (operation)
  where t.relation = p_relation and t.as_events ? lower(o.operation)
    and (not p_is_ready or audit.as_events_sql(p_relation, o.operation) is not null)
);
comment on function audit.as_events_code(oid, boolean) is
  'The lines of a trigger function that write workspace events: statements made ready, or made anew for changed columns.';
