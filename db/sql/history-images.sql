-- What to_jsonb() of a value gives back to jsonb_populate_record() bit for bit, and what it does not:
-- exact; text (the image cannot bring it back, so its text is kept beside it); jsonb (only its JSON null is lost);
-- float (only its negative zero); array (only bounds that do not begin at 1).
create or replace function audit.image_fidelity(p_type oid) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type pg_type;
  v_of text;
begin
  select * into strict v_type from pg_type where oid = p_type;
  if v_type.typtype = 'd' then
    return audit.image_fidelity(v_type.typbasetype);
  elsif v_type.typcategory = 'A' and v_type.typelem <> 0 then
    return case audit.image_fidelity(v_type.typelem) when 'exact' then 'array' else 'text' end;
  elsif v_type.typtype = 'c' then
    select string_agg(distinct audit.image_fidelity(a.atttypid), ' ') into v_of
    from pg_attribute a
    where a.attrelid = v_type.typrelid and a.attnum > 0 and not a.attisdropped;
    return case when v_of = 'exact' then 'exact' else 'text' end;
  elsif p_type = 'json'::regtype then
    return 'text';
  elsif p_type = 'jsonb'::regtype then
    return 'jsonb';
  elsif p_type in ('float4'::regtype, 'float8'::regtype) then
    return 'float';
  elsif v_type.typtype = 'b' and v_type.typnamespace <> 'pg_catalog'::regnamespace and exists (
    -- hstore, geometry: to_jsonb() follows such a cast, and nothing leads back.
    select from pg_cast k where k.castsource = p_type and k.casttarget in ('json'::regtype, 'jsonb'::regtype)
  ) then
    return 'text';
  end if;
  return 'exact';
end
$$;
comment on function audit.image_fidelity(oid) is
  'What of a type''s values a JSON image loses: exact, text, jsonb, float or array.';

-- Settings of the session change how these types are written; images must not depend on who writes.
create or replace function audit.image_settings(p_relation oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case when bool_or(
    t.typtype in ('c', 'r', 'm') or t.typcategory in ('A', 'G', 'T') or t.typname = 'money'
    or audit.image_fidelity(t.oid) not in ('exact', 'jsonb')
    -- The same row must have the same record_id whoever writes it.
    or (t.typcategory = 'D' or t.typname = 'bytea') and a.attnum = any (k.key_columns)
  ) then $settings$set datestyle = 'ISO'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set timezone = 'UTC'
set lc_monetary = 'C'
set bytea_output = 'hex'
$settings$ else '' end
  from pg_attribute a
  join pg_type b on b.oid = a.atttypid
  join pg_type t on t.oid = case when b.typtype = 'd' then b.typbasetype else b.oid end
  left join audit.tracked_tables k on k.relation = p_relation
  where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
);
comment on function audit.image_settings(oid) is 'The settings that the capture function of a table pins, if its types need any.';

-- The columns of a tracked relation as they are called now. Each was noted by its number, which a rename leaves; one that
-- was dropped and added again has only its name in common, and stays excluded, redacted or ignored by that.
create or replace function audit.captured_columns(p_relation oid)
returns table (name text, fidelity text, key_position int, is_excluded boolean, is_redacted boolean, is_ignored boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with noted as (
    select a.*, t.key_columns, t.excluded_columns, t.redacted_columns, t.ignored_columns,
      (t.columns #>> array[a.attname, 'number'])::smallint as number
    from audit.tracked_tables t
    join pg_attribute a on a.attrelid = t.relation and a.attnum > 0 and not a.attisdropped
    where t.relation = p_relation
  )
  select
    n.attname::text,
    audit.image_fidelity(n.atttypid),
    -- A key column goes by its name only when the one of its number is gone.
    case
      when exists (select from noted o where o.attnum = n.number) then array_position(n.key_columns, n.attnum)
      else array_position(n.key_columns, coalesce(n.number, n.attnum))
    end,
    n.attgenerated = 'v' or n.attnum = any (n.excluded_columns) or coalesce(n.number = any (n.excluded_columns), false),
    n.attnum = any (n.redacted_columns) or coalesce(n.number = any (n.redacted_columns), false),
    n.attnum = any (n.ignored_columns) or coalesce(n.number = any (n.ignored_columns), false)
  from noted n
  order by n.attnum
$$;
comment on function audit.captured_columns(oid) is 'The columns of a tracked table as they are called now, and what becomes of each.';

-- Our own rows have names in two underscores, which are aliases in SQL and record variables in plpgsql; whatever else stands
-- for a row is an expression.
create or replace function audit.field_sql(p_row text, p_column text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format(case when p_row ~ '^__[a-z]+$' then '%s.%I' else '(%s).%I' end, p_row, p_column);
comment on function audit.field_sql(text, text) is 'SQL for a column of a row.';

-- Types whose text depends on no setting are cast directly, which costs a fifth of the way through JSON.
create or replace function audit.record_key_sql(p_relation oid, p_row text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case
    when count(*) > 1 then
      format('jsonb_build_array(%s)::text', string_agg(audit.field_sql(p_row, c.name), ', ' order by c.key_position))
    when bool_and(a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'text'::regtype)) then
      audit.field_sql(p_row, min(c.name)) || '::text'
    else format('(to_jsonb(%s) #>> ''{}'')', audit.field_sql(p_row, min(c.name)))
  end
  from audit.captured_columns(p_relation) c
  join pg_attribute a on a.attrelid = p_relation and a.attname = c.name
  where c.key_position is not null
);
comment on function audit.record_key_sql(oid, text) is
  'SQL for a row''s record_id: its key as text, or the JSON array of a composite one.';

create or replace function audit.image_sql(p_relation oid, p_row text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format('to_jsonb(%s)', p_row)
    || coalesce(' - ' || quote_literal((array_agg(c.name) filter (where c.is_excluded))::text) || '::text[]', '')
    || coalesce(
      string_agg(
        format(
          ' || case when %s is null then ''{}'' else %L::jsonb end',
          audit.field_sql(p_row, c.name), jsonb_build_object(c.name, '[redacted]')
        ),
        ''
      ) filter (where c.is_redacted and not c.is_excluded),
      ''
    )
  from audit.captured_columns(p_relation) c
);
comment on function audit.image_sql(oid, text) is 'SQL for a row''s image: its columns as JSON, without the excluded, with the redacted hidden.';

-- What is compared is what is stored: 1.0 and 1.00 differ, and so do spellings that a collation takes for equal. Where
-- equal means bit for bit anyway, the type's own comparison costs a tenth.
create or replace function audit.differs_sql(p_relation oid, p_column text, p_old text, p_new text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    case
      when a.atttypid in (
        'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype, 'uuid'::regtype, 'bytea'::regtype,
        'date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype
      ) then '%s is distinct from %s'
      when a.atttypid in ('text'::regtype, 'varchar'::regtype) then '%s collate "C" is distinct from %s collate "C"'
      else 'record_image_ne(row(%s), row(%s))'
    end,
    audit.field_sql(p_old, p_column), audit.field_sql(p_new, p_column)
  )
  from pg_attribute a
  where a.attrelid = p_relation and a.attname = p_column and a.attnum > 0 and not a.attisdropped
);
comment on function audit.differs_sql(oid, text, text, text) is 'SQL for whether a column differs between two rows.';

-- The same image from a subselect, to_jsonb() of whose rows it is: leaving columns out of it is free, and names in the
-- order in which jsonb keeps them need no sorting. With another row, what is equal there is null.
create or replace function audit.image_columns_sql(p_relation oid, p_row text, p_other text default null) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select string_agg(
    case
      when p_other is null then f.shown
      else format('case when %s then %s end', audit.differs_sql(p_relation, c.name, p_row, p_other), f.shown)
    end || format(' as %I', c.name),
    ', ' order by octet_length(c.name), c.name collate "C"
  )
  from audit.captured_columns(p_relation) c
  cross join lateral (
    select case
      when c.is_redacted then format('case when %s is null then null else ''[redacted]'' end', audit.field_sql(p_row, c.name))
      else audit.field_sql(p_row, c.name)
    end as shown
  ) f
  where not c.is_excluded
);
comment on function audit.image_columns_sql(oid, text, text) is
  'A select list of which to_jsonb() makes a row''s image; with another row, only what differs from it has values.';

drop function if exists audit.compared_columns_sql(oid, text);
create or replace function audit.compared_columns_sql(p_relation oid, p_old text, p_new text, p_differ boolean) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'array_remove(array[%s], null)',
    string_agg(
      format(
        case when p_differ then 'case when %s then %L::text end' else 'case when %s then null else %L::text end' end,
        audit.differs_sql(p_relation, c.name, p_old, p_new), c.name
      ),
      ', '
    )
  )
  from audit.captured_columns(p_relation) c
  where not c.is_excluded
);
comment on function audit.compared_columns_sql(oid, text, text, boolean) is
  'SQL for the names of the columns that differ between two rows, or that do not.';

create or replace function audit.columns_of(p_relation oid) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select jsonb_object_agg(a.attname, jsonb_build_object('number', a.attnum, 'type', a.atttypid::bigint))
  from pg_attribute a
  where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
);
comment on function audit.columns_of(oid) is 'The columns of a relation: name to number and type.';

-- Not immutable at all, and that is the point: an expression of plpgsql that calls it with a regclass constant is planned,
-- and this answered, once a session and again after each change of that table, because the plan depends on it. So the
-- trigger functions ask for nothing whether they still fit. It asks the row type: a query of the catalog would
-- answer as of the snapshot of a transaction that may be older than the change.
create or replace function audit.has_columns(p_table regclass, p_columns jsonb) returns boolean
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_has boolean;
begin
  execute format(
    'select to_jsonb(__s) ?& $1 and to_jsonb(__s) - $1 = ''{}'' and array[%s] = $2 from (select (null::%s).*) __s',
    (select string_agg(format('pg_typeof(__s.%I)::oid::bigint', c.key), ', ' order by c.key) from jsonb_each(p_columns) c),
    p_table
  )
  into v_has
  using array(select jsonb_object_keys(p_columns)), array(select (c.value ->> 'type')::bigint from jsonb_each(p_columns) c order by c.key);
  return v_has;
exception
  when others then
    return false;
end
$$;
comment on function audit.has_columns(regclass, jsonb) is
  'Whether a table has exactly these columns, of these types; for the trigger functions'' plans alone.';
