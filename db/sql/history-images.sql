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
  where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
);
comment on function audit.image_settings(oid) is 'The settings that the capture function of a table pins, if its types need any.';

-- The columns of a tracked relation as they are called now: each was noted by its number, which a rename leaves.
create or replace function audit.captured_columns(p_relation oid)
returns table (name text, fidelity text, key_position int, is_excluded boolean, is_redacted boolean, is_ignored boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select
    a.attname::text,
    audit.image_fidelity(a.atttypid),
    array_position(t.key_columns, a.attnum),
    a.attnum = any (t.excluded_columns) or a.attgenerated = 'v',
    a.attnum = any (t.redacted_columns),
    a.attnum = any (t.ignored_columns)
  from audit.tracked_tables t
  join pg_attribute a on a.attrelid = t.relation and a.attnum > 0 and not a.attisdropped
  where t.relation = p_relation
  order by a.attnum
$$;
comment on function audit.captured_columns(oid) is 'The columns of a tracked table as they are called now, and what becomes of each.';

-- The expressions below are about a row called by p_row, as in (r).column; none depends on a column's type, so that a
-- change of type between two statements cannot break the application's write.
create or replace function audit.record_key_sql(p_relation oid, p_row text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case count(*)
    when 1 then format('(to_jsonb((%s).%I) #>> ''{}'')', p_row, min(c.name))
    else format('jsonb_build_array(%s)::text', string_agg(format('(%s).%I', p_row, c.name), ', ' order by c.key_position))
  end
  from audit.captured_columns(p_relation) c
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
        format(' || case when (%s).%I is null then ''{}'' else %L::jsonb end', p_row, c.name, jsonb_build_object(c.name, '[redacted]')),
        ''
      ) filter (where c.is_redacted and not c.is_excluded),
      ''
    )
  from audit.captured_columns(p_relation) c
);
comment on function audit.image_sql(oid, text) is 'SQL for a row''s image: its columns as JSON, without the excluded, with the redacted hidden.';

create or replace function audit.exact_sql(p_relation oid, p_row text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  with kept as (
    select
      c.name,
      format('(%s).%I::text', p_row, c.name) as as_text,
      case c.fidelity
        when 'text' then format('(%s).%I is not null', p_row, c.name)
        when 'jsonb' then format('to_jsonb((%s).%I) = ''null''', p_row, c.name)
        when 'float' then format('(%s).%I::text = ''-0''', p_row, c.name)
        else format('(%s).%I::text like ''[%%''', p_row, c.name)
      end as is_lost
    from audit.captured_columns(p_relation) c
    where c.fidelity <> 'exact' and not c.is_excluded and not c.is_redacted
  )
  select format(
    'case when %s then jsonb_strip_nulls(jsonb_build_object(%s)) end',
    string_agg(k.is_lost, ' or '),
    string_agg(format('%L, case when %s then %s end', k.name, k.is_lost, k.as_text), ', ')
  )
  from kept k
  having count(*) > 0
);
comment on function audit.exact_sql(oid, text) is
  'SQL for the texts of those values that an image cannot bring back bit for bit; null when the table has no such column.';

-- The names (as an array) of the columns that differ between two rows, or that do not. Compared is what is stored: 1.0 and
-- 1.00 differ, and so do spellings that a collation takes for equal.
create or replace function audit.compared_columns_sql(p_relation oid, p_comparison text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'array_remove(array[%s], null)',
    string_agg(
      format('case when %s(row((__pair.__old_row).%I), row((__pair.__new_row).%I)) then %L::text end', p_comparison, c.name, c.name, c.name),
      ', '
    )
  )
  from audit.captured_columns(p_relation) c
  where not c.is_excluded
);
comment on function audit.compared_columns_sql(oid, text) is 'SQL for the names of the columns of a pair that record_image_ne() finds different, or record_image_eq() equal.';
