-- One trigger function a table, because a general one would have to look up keys and columns at every statement. It holds
-- its statements ready for the columns of this moment; when columns have changed since, it makes them anew each time,
-- until audit.track() is called again.
create or replace function audit.capture_body(p_relation oid) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table audit.tracked_tables;
  v_context constant text := '__user, __request, __restore';
  v_body text;
begin
  select * into strict v_table from audit.tracked_tables where relation = p_relation;
  if not v_table.is_on then
    return ' begin return null; end ';
  end if;
  v_body := format(
    $body$
declare
  __user constant text := nullif(current_setting('app.user_id', true), '');
  __request constant text := nullif(current_setting('app.request_id', true), '');
  __restore constant uuid := case when current_setting('audit.restore_id', true) <> '' then audit.restore_of_session() end;
  __before record;
  __after record;
  __fields text[];
  __values jsonb;
  __key text;
  __new_key text;
  __image jsonb;
  __exact jsonb;
begin
  if tg_relid <> %1$s or tg_op = 'TRUNCATE' or not audit.has_columns('%1$s'::regclass, %2$L::jsonb) then
    -- Whoever may make a trigger of it could else feed it rows of another table.
    if tg_relid <> %1$s then
      raise exception 'This function records another table' using errcode = 'insufficient_privilege';
    end if;
    -- The catalog answers as of a snapshot that may be older than the change of columns.
    if current_setting('transaction_isolation') <> 'read committed' and not audit.has_columns(%1$s, audit.columns_of(%1$s)) then
      raise exception 'The columns of %% changed since this transaction began', tg_relid::regclass
        using errcode = 'serialization_failure', hint = 'Run the transaction again.';
    end if;
    execute audit.capture_sql(%1$s, tg_op, '$1, $2, $3') using __user, __request, __restore;%7$s
    return null;
  end if;%8$s
  if tg_op = 'UPDATE' then
    perform from __old offset 1 limit 1;
    if found then%9$s
      %5$s;
      return null;
    end if;
    select * into __before from __old;
    if not found then
      return null;
    end if;
    select * into __after from __new;
    if not found then
      %4$s;
      return null;
    end if;
%6$s  elsif tg_op = 'DELETE' then
    %4$s;
  else
    %3$s;
  end if;
  return null;
$body$,
    p_relation, audit.columns_of(p_relation),
    audit.capture_sql(p_relation, 'INSERT', v_context),
    audit.capture_sql(p_relation, 'DELETE', v_context),
    audit.capture_sql(p_relation, 'UPDATE', v_context),
    audit.capture_row_code(p_relation),
    audit.as_events_code(p_relation, false), audit.as_events_code(p_relation, true), audit.lost_rows_code(p_relation)
  );
  return v_body || case v_table.on_error when 'warn' then audit.warning_code(p_relation) else '' end || E'end\n';
end
$$;
comment on function audit.capture_body(oid) is 'The code of the trigger function of a tracked relation, as it should be now.';

-- A row that moves to another partition is gone when a trigger there refuses it: then there are fewer new rows than old, whose
-- positions say nothing.
create or replace function audit.lost_rows_code(p_relation oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case relkind when 'p' then format(
    $code$
      if (select count(*) from __old) <> (select count(*) from __new) then
        execute audit.capture_sql(%1$s, 'UPDATE', '$1, $2, $3', true) using __user, __request, __restore;
        execute audit.capture_sql(%1$s, 'DELETE', '$1, $2, $3', true) using __user, __request, __restore;
        execute audit.capture_sql(%1$s, 'INSERT', '$1, $2, $3', true) using __user, __request, __restore;
        return null;
      end if;$code$,
    p_relation
  ) else '' end
  from pg_class
  where oid = p_relation
);
comment on function audit.lost_rows_code(oid) is
  'The lines of a partitioned table''s trigger function for an UPDATE that lost rows on their way to another partition.';

-- A gap is noted at most once a minute, as far as this transaction sees, under the very microsecond: writers that fail at the
-- same time must not wait for each other.
create or replace function audit.warning_code(p_relation oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    $code$exception
  when others then
    raise warning 'The row history of %% misses a change (%%)', %1$L, sqlstate;
    begin
      insert into audit.capture_gaps (relation, table_schema, table_name, reason, began_at, ended_at, detail, noted_by)
      select %2$s, %3$L, %4$L, 'error', t, t, sqlstate, session_user
      from clock_timestamp() t
      where not exists (
        select from audit.capture_gaps g
        where g.relation = %2$s and g.reason = 'error' and g.began_at > t - interval '1 minute'
      );
    exception
      when others then
        raise warning 'The gap could not be noted (%%)', sqlstate;
    end;
    return null;
$code$,
    format('%I.%I', t.table_schema, t.table_name), p_relation, t.table_schema, t.table_name
  )
  from audit.tracked_tables t
  where t.relation = p_relation
);
comment on function audit.warning_code(oid) is 'What a trigger function does under on_error = warn when it cannot record: the write goes through, the gap is noted.';

create or replace function audit.write_capture_function(p_relation oid) returns regprocedure
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name constant name := 'capture_' || p_relation;
  v_body constant text := audit.capture_body(p_relation);
begin
  update audit.tracked_tables set body_md5 = md5(v_body) where relation = p_relation;
  execute format(
    E'create or replace function audit.%I() returns trigger\nlanguage plpgsql security definer\n'
    'set search_path = pg_catalog, pg_temp\n%sas %L',
    v_name, audit.image_settings(p_relation), v_body
  );
  execute format('comment on function audit.%I() is %L', v_name,
    (select format('Trigger: records the changes of %I.%I.', t.table_schema, t.table_name) from audit.tracked_tables t where t.relation = p_relation));
  return format('audit.%I()', v_name)::regprocedure;
end
$$;
comment on function audit.write_capture_function(oid) is
  'Makes the trigger function that records the changes of a tracked table as its columns are now.';
