create or replace function audit.inexact_columns(p_relation oid, p_row text) returns table (name text, as_text text, is_lost text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.name,
    f.field || '::text',
    case c.fidelity
      -- A composite value with a null in it IS NOT NULL is not true of.
      when 'text' then format('%s::text is not null', f.field)
      when 'jsonb' then format(case when a.atttypid = 'jsonb'::regtype then '%s = ''null''' else 'to_jsonb(%s) = ''null''' end, f.field)
      when 'float' then format('%s::text = ''-0''', f.field)
      else format('%s::text like ''[%%''', f.field)
    end
  from audit.captured_columns(p_relation) c
  join pg_attribute a on a.attrelid = p_relation and a.attname = c.name
  cross join lateral (select audit.field_sql(p_row, c.name) as field) f
  where c.fidelity <> 'exact' and not c.is_excluded and not c.is_redacted
$$;
comment on function audit.inexact_columns(oid, text) is
  'The columns of which an image may lose something: SQL for the text of a row''s value, and for whether this one is lost.';

create or replace function audit.is_lost_sql(p_relation oid, p_row text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (select string_agg(k.is_lost, ' or ') from audit.inexact_columns(p_relation, p_row) k);
comment on function audit.is_lost_sql(oid, text) is
  'SQL for whether a row''s image loses anything; null when the table has no column of which it may.';

create or replace function audit.exact_sql(p_relation oid, p_row text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  -- An array of names and one of texts, because a function takes no more than a hundred arguments.
  select format(
    'case when %s then jsonb_strip_nulls(jsonb_object(array[%s], array[%s])) end',
    string_agg(k.is_lost, ' or '),
    string_agg(format('%L', k.name), ', '),
    string_agg(format('case when %s then %s end', k.is_lost, k.as_text), ', ')
  )
  from audit.inexact_columns(p_relation, p_row) k
  having count(*) > 0
);
comment on function audit.exact_sql(oid, text) is
  'SQL for the texts of those values that an image cannot bring back bit for bit; null when the table has no such column.';

-- {"old": texts, "new": texts}: the sides that the operation has.
create or replace function audit.exact_values_sql(
  p_relation oid, p_operation text, p_old text default '__o', p_new text default '__n'
) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case p_operation
    when 'INSERT' then format('case when %s then jsonb_build_object(''new'', %s) end', v.new_is_lost, v.new)
    when 'UPDATE' then format(
      'case when %s or %s then jsonb_strip_nulls(jsonb_build_object(''old'', %s, ''new'', %s)) end',
      v.old_is_lost, v.new_is_lost, v.old, v.new
    )
    else format('case when %s then jsonb_build_object(''old'', %s) end', v.old_is_lost, v.old)
  end
  from (
    select
      audit.exact_sql(p_relation, p_old) as old, audit.is_lost_sql(p_relation, p_old) as old_is_lost,
      audit.exact_sql(p_relation, p_new) as new, audit.is_lost_sql(p_relation, p_new) as new_is_lost
  ) v
  where v.old is not null
);
comment on function audit.exact_values_sql(oid, text, text, text) is 'SQL for exact_values of an entry; null where the table has no such column.';
