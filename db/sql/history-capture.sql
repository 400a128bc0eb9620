-- One statement that records what another one did, from its transition tables __old and __new, or, before a TRUNCATE, from
-- the table itself. A full join of row numbers pairs old and new rightly even where keys changed, stays flat under cached
-- plans and spills to disk; its filter must not be strict, or the planner turns it into nested loops.
create or replace function audit.capture_sql(p_relation oid, p_operation text, p_context text) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table audit.tracked_tables;
  v_target constant text := 'insert into audit.audit_logs (table_schema, table_name, record_id, new_record_id, action, '
    'old_values, new_values, changed_fields, exact_values, user_id, request_id, restore_id) select %L, %L, %s, %s, %L, %s, %s, %s, %s, '
    '%s from %s';
  v_pairs constant text := '(select __o.__row as __old_row, __n.__row as __new_row '
    'from (select row_number() over () as __position, __t as __row from __old __t) __o '
    'full join (select row_number() over () as __position, __t as __row from __new __t) __n using (__position) '
    'where (__o.__row *<> __n.__row) is not false) __pair';
  v_ignored text[];
  v_side text;
  v_row constant text := '__t';
  v_exact text;
  v_old_exact text;
  v_new_exact text;
begin
  select * into strict v_table from audit.tracked_tables where relation = p_relation;
  if p_operation <> 'UPDATE' then
    v_exact := audit.exact_sql(p_relation, v_row);
    v_side := case p_operation when 'INSERT' then 'new' else 'old' end;
    return format(
      v_target, v_table.table_schema, v_table.table_name, audit.record_key_sql(p_relation, v_row), 'null', p_operation,
      case v_side when 'old' then audit.image_sql(p_relation, v_row) else 'null' end,
      case v_side when 'new' then audit.image_sql(p_relation, v_row) else 'null' end,
      'null',
      coalesce('case when ' || v_exact || format(' is not null then jsonb_build_object(%L, ', v_side) || v_exact || ') end', 'null'),
      p_context,
      case p_operation when 'TRUNCATE' then format('only %s %s', p_relation::regclass, v_row) else format('__%s %s', v_side, v_row) end
    );
  end if;

  -- A change of nothing but excluded or ignored columns is none; without such columns *<> has seen to that.
  select coalesce(array_agg(c.name) filter (where c.is_ignored), '{}') into v_ignored
  from audit.captured_columns(p_relation) c
  having bool_or(c.is_ignored or c.is_excluded);
  v_old_exact := audit.exact_sql(p_relation, '__pair.__old_row');
  v_new_exact := audit.exact_sql(p_relation, '__pair.__new_row');
  return format(
    v_target, v_table.table_schema, v_table.table_name,
    audit.record_key_sql(p_relation, '__pair.__old_row'),
    format('nullif(%s, %s)', audit.record_key_sql(p_relation, '__pair.__new_row'), audit.record_key_sql(p_relation, '__pair.__old_row')),
    p_operation,
    audit.image_sql(p_relation, '__pair.__old_row'),
    format('(%s) - %s', audit.image_sql(p_relation, '__pair.__new_row'), audit.compared_columns_sql(p_relation, 'record_image_eq')),
    audit.compared_columns_sql(p_relation, 'record_image_ne'),
    coalesce(
      'case when ' || v_old_exact || ' is not null or ' || v_new_exact || ' is not null then jsonb_strip_nulls(jsonb_build_object(''old'', '
        || v_old_exact || ', ''new'', ' || v_new_exact || ')) end',
      'null'
    ),
    p_context,
    v_pairs || coalesce(
      ' where not ' || audit.compared_columns_sql(p_relation, 'record_image_ne') || ' <@ ' || quote_literal(v_ignored::text) || '::text[]', ''
    )
  );
end
$$;
comment on function audit.capture_sql(oid, text, text) is
  'The statement with which a trigger records an INSERT, UPDATE, DELETE or TRUNCATE of a tracked table; p_context is SQL for user, request and restore.';

create or replace function audit.restore_of_session() returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
return case
  when current_setting('audit.restore_id', true) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  then current_setting('audit.restore_id', true)::uuid
end;
comment on function audit.restore_of_session() is 'The restore that this transaction belongs to, if it is one.';

-- One function a table, because a general one would have to look up keys and columns at every statement. It holds its
-- statements ready for the columns of this moment; when a column was added, dropped or renamed since, it makes them anew
-- each time, until audit.track() is called again.
create or replace function audit.write_capture_function(p_relation oid) returns regprocedure
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table audit.tracked_tables;
  v_name constant name := 'capture_' || p_relation;
  v_context constant text := '__user, __request, __restore';
  v_columns text[];
  v_body text;
begin
  select * into strict v_table from audit.tracked_tables where relation = p_relation;
  select array_agg(a.attname::text order by a.attnum) into v_columns
  from pg_attribute a
  where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped;

  v_body := format(
    $body$
declare
  __user constant text := nullif(current_setting('app.user_id', true), '');
  __request constant text := nullif(current_setting('app.request_id', true), '');
  __restore constant uuid := case when current_setting('audit.restore_id', true) <> '' then audit.restore_of_session() end;
  __row jsonb;
begin
  -- Whoever may make a trigger of it could else feed it rows of another table.
  if tg_relid <> %1$s then
    raise exception 'This function records another table' using errcode = 'insufficient_privilege';
  end if;
  if tg_op = 'TRUNCATE' then
    execute audit.capture_sql(%1$s, tg_op, '$1, $2, $3') using __user, __request, __restore;
    return null;
  end if;
  if tg_op = 'DELETE' then
    __row := (select to_jsonb(__t) from __old __t limit 1);
  else
    __row := (select to_jsonb(__t) from __new __t limit 1);
  end if;
  if __row is null then
    return null;
  end if;
  if not (__row ?& %2$L::text[] and __row - %2$L::text[] = '{}') then
    execute audit.capture_sql(%1$s, tg_op, '$1, $2, $3') using __user, __request, __restore;
  elsif tg_op = 'UPDATE' then
    %3$s;
  elsif tg_op = 'DELETE' then
    %4$s;
  else
    %5$s;
  end if;
  return null;
end
$body$,
    p_relation, v_columns,
    audit.capture_sql(p_relation, 'UPDATE', v_context),
    audit.capture_sql(p_relation, 'DELETE', v_context),
    audit.capture_sql(p_relation, 'INSERT', v_context)
  );
  if not v_table.is_on then
    v_body := ' begin return null; end ';
  elsif v_table.on_error = 'warn' then
    v_body := format(
      $body$
begin
  %s
exception
  when others then
    raise warning 'The row history of %% misses a change (%%)', %L, sqlstate;
    insert into audit.capture_gaps (relation, table_schema, table_name, reason, began_at, ended_at, detail, noted_by)
    values (%s, %L, %L, 'error', date_trunc('minute', clock_timestamp()), clock_timestamp(), sqlstate, session_user)
    on conflict do nothing;
    return null;
end
$body$,
      v_body || ';', format('%I.%I', v_table.table_schema, v_table.table_name),
      p_relation, v_table.table_schema, v_table.table_name
    );
  end if;
  execute format(
    E'create or replace function audit.%I() returns trigger\nlanguage plpgsql security definer\n'
    'set search_path = pg_catalog, pg_temp\n%sas %L',
    v_name, audit.image_settings(p_relation), v_body
  );
  execute format('comment on function audit.%I() is %L', v_name,
    format('Trigger: records the changes of %I.%I.', v_table.table_schema, v_table.table_name));
  return format('audit.%I()', v_name)::regprocedure;
end
$$;
comment on function audit.write_capture_function(oid) is
  'Makes the trigger function that records the changes of a tracked table as its columns are now.';
