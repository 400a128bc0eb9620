-- Images in the types of today.

-- jsonb_to_record() of an image as the row __r, and each column's value: its kept text where JSON lost something.
create or replace function audit.image_record_sql(p_relation oid, p_columns text[]) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  -- What JSON cannot bring back may not even be read from it.
  select '__r (' || string_agg(format('%I %s', c.name, case c.fidelity when 'text' then 'jsonb' else c.type end), ', ' order by c.name) || ')'
  from audit.restore_columns(p_relation) c
  where c.name = any (p_columns)
);
comment on function audit.image_record_sql(oid, text[]) is 'The column list that jsonb_to_record() needs for an image of a table.';

create or replace function audit.image_value_sql(p_relation oid, p_column text, p_exact text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case c.fidelity
    when 'exact' then format('__r.%I', c.name)
    when 'text' then format(
      'case when %1$s ? %2$L then (%1$s ->> %2$L)::%3$s when jsonb_typeof(__r.%4$I) = ''string'' then (__r.%4$I #>> ''{}'')::%3$s '
      'else (select __x.__v from jsonb_to_record(jsonb_build_object(''__v'', __r.%4$I)) as __x (__v %3$s)) end',
      p_exact, c.name, c.type, c.name
    )
    else format('case when %1$s ? %2$L then (%1$s ->> %2$L)::%3$s else __r.%4$I end', p_exact, c.name, c.type, c.name)
  end
  from audit.restore_columns(p_relation) c
  where c.name = p_column
);
comment on function audit.image_value_sql(oid, text, text) is 'SQL for the value of a column: from the record __r, or its exact text.';

-- An image of a column's value, {} where there is none in p_image, as the column is today.
create or replace function audit.fitted_sql(p_relation oid, p_columns text[], p_image text, p_exact text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    '(select to_jsonb(__v) from jsonb_to_record(%s) as %s cross join lateral (select %s) __v)',
    p_image, audit.image_record_sql(p_relation, p_columns),
    string_agg(format('%s as %I', audit.image_value_sql(p_relation, c, p_exact), c), ', ')
  )
  from unnest(p_columns) c
);
comment on function audit.fitted_sql(oid, text[], text, text) is 'SQL for the image that values of an image have in the types of today.';

-- The images become what the types of today make of them; what does not fit, or comes out changed, is noted. Nothing is done
-- for columns that are as they were, which is the rule. p_is_plain: every image has all columns, and no value needs its exact text.
drop function if exists audit.fit_images(oid);
create or replace function audit.fit_images(p_relation oid, p_is_plain boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_columns constant text[] := array(select c.name from audit.restore_columns(p_relation) c where c.is_writable);
  v_column record;
  v_changed bigint;
  v_is_plain constant boolean := p_is_plain
    and not exists (select from audit.restore_columns(p_relation) c where c.is_writable and c.fidelity = 'text');
begin
  -- Texts kept for values that their column's type of today holds in JSON.
  if not v_is_plain then
    update pg_temp.restore_draft d
    set
      target = d.target || kept.texts,
      exact = nullif(d.exact - array(select jsonb_object_keys(kept.texts)), '{}')
    from pg_temp.restore_draft o
    cross join lateral (
      select jsonb_object_agg(c.name, o.exact -> c.name) as texts
      from audit.restore_columns(p_relation) c
      where c.fidelity = 'exact' and c.is_writable and o.exact ? c.name
    ) kept
    where d.draft_id = o.draft_id and o.relation = p_relation and o.exact is not null and kept.texts is not null;
  end if;
  -- And the other way round: values whose column's type of today JSON does not hold.
  for v_column in select c.* from audit.restore_columns(p_relation) c where c.fidelity = 'text' and c.is_writable loop
    begin
      execute format(
        'update pg_temp.restore_draft __d set exact = coalesce(__d.exact, ''{}'') || jsonb_build_object(%1$L, '
        '(select __r.%2$I::text from jsonb_to_record(__d.target) as %3$s)) '
        'where __d.relation = %4$s and __d.is_there and __d.target ->> %1$L is not null and not coalesce(__d.exact ? %1$L, false)',
        v_column.name, v_column.name, audit.image_record_sql(p_relation, array[v_column.name]), p_relation
      );
    exception
      -- What does not fit is noted below.
      when others then
        null;
    end;
  end loop;
  begin
    if v_is_plain then
      execute format(
        'select count(*) from pg_temp.restore_draft __d cross join lateral jsonb_to_record(__d.target) as %s '
        'where __d.relation = %s and __d.is_there and to_jsonb(__r)::text <> __d.target::text',
        audit.image_record_sql(p_relation, v_columns), p_relation
      ) into v_changed;
    else
      execute format(
        'select count(*) from pg_temp.restore_draft __d where __d.relation = %s and __d.is_there '
        'and (case when __d.target ?& %L::text[] then %s else %s - array(select __c from unnest(%L::text[]) __c where not __d.target ? __c) end)::text '
        '<> __d.target::text',
        p_relation, v_columns, audit.fitted_sql(p_relation, v_columns, '__d.target', '__d.exact'),
        audit.fitted_sql(p_relation, v_columns, '__d.target', '__d.exact'), v_columns
      ) into v_changed;
    end if;
    if v_changed > 0 then
      perform audit.fit_each_target(p_relation);
    end if;
  exception
    when others then
      perform audit.fit_each_target(p_relation);
  end;
  begin
    execute format(
      'update pg_temp.restore_draft d set left_image = f.image '
      'from ('
        'select __d.draft_id, __d.left_image || (case when __d.left_image ?& %2$L::text[] then %3$s '
          'else %3$s - array(select __c from unnest(%2$L::text[]) __c where not __d.left_image ? __c) end) as image '
        'from pg_temp.restore_draft __d where __d.relation = %1$s and __d.left_image <> ''null'''
      ') f where d.draft_id = f.draft_id and d.left_image::text <> f.image::text',
      p_relation, v_columns, audit.fitted_sql(p_relation, v_columns, '__d.left_image', '__d.left_exact')
    );
  exception
    when others then
      perform audit.fit_each_left(p_relation);
  end;
end
$$;
comment on function audit.fit_images(oid, boolean) is 'Makes of the drafted images what the columns of today hold; notes columns whose values do not fit, or come out changed.';

-- What does not fit, or comes out changed, is noted by its column.
create or replace function audit.fit_each_target(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_column record;
  v_changed bigint;
begin
  for v_column in
    select c.*, audit.fitted_sql(p_relation, array[c.name], '__d.target', '__d.exact') as fitted
    from audit.restore_columns(p_relation) c
    where c.is_writable
  loop
    begin
      execute format(
        'with fitted as (select __d.draft_id, __d.target as was, %1$s as image from pg_temp.restore_draft __d '
        'where __d.relation = %2$s and __d.is_there and (__d.fields is null or %3$L = any (__d.fields)) and __d.target ? %3$L), '
        'done as (update pg_temp.restore_draft d set target = d.target || f.image from fitted f '
        'where d.draft_id = f.draft_id and (f.was -> %3$L)::text <> (f.image -> %3$L)::text '
        'returning f.was -> %3$L as was, f.image -> %3$L as became, d.exact ->> %3$L as text) '
        'select count(*) from done where was <> became and (was #>> ''{}'')%4$s is distinct from (became #>> ''{}'')%4$s',
        v_column.fitted, p_relation, v_column.name,
        -- One value may have several texts, by the settings of who wrote it.
        case when v_column.type ~ '^(date$|timestamp)' then '::timestamptz' when v_column.type = 'bytea' then '::bytea' else '' end
      ) into v_changed;
      if v_changed > 0 then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('loss', 'column_retyped', p_relation, jsonb_build_object('column', v_column.name, 'rows', v_changed));
      end if;
    exception
      when others then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'column_retyped', p_relation, jsonb_build_object('column', v_column.name, 'sqlstate', sqlstate));
    end;
  end loop;
end
$$;
comment on function audit.fit_each_target(oid) is 'Fits what rows are to hold, column by column; for fit_images().';

-- What changes left is only compared: where it does not fit it stays as it is.
create or replace function audit.fit_each_left(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_column record;
begin
  for v_column in
    select c.*, audit.fitted_sql(p_relation, array[c.name], '__d.left_image', '__d.left_exact') as left_fitted
    from audit.restore_columns(p_relation) c
    where c.is_writable
  loop
    begin
      execute format(
        'update pg_temp.restore_draft __d set left_image = __d.left_image || %s '
        'where __d.relation = %s and __d.left_image ? %L',
        v_column.left_fitted, p_relation, v_column.name
      );
    exception
      when others then
        null;
    end;
  end loop;
end
$$;
comment on function audit.fit_each_left(oid) is 'Fits what undone changes left, column by column; for fit_images().';
