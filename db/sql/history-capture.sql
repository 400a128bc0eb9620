-- Where a statement that records finds its rows. A full join of row numbers pairs old and new rightly even where keys
-- changed, stays flat under cached plans and spills to disk; no filter on it may be strict, or the planner turns it into
-- nested loops.
drop function if exists audit.capture_sql(oid, text, text);
drop function if exists audit.capture_source(oid, text);
create or replace function audit.capture_source(p_relation oid, p_operation text, p_by_key boolean default false) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pairs constant text := '%s cross join lateral (select %s) __i cross join lateral (select %s) __j where not %s <@ %L::text[]';
  v_same_key constant text := audit.record_key_sql(p_relation, '__n') || ' = ' || audit.record_key_sql(p_relation, '__o');
  v_left oid[];
begin
  case p_operation
    when 'INSERT' then
      return format('__new __n cross join lateral (select %s) __j', audit.image_columns_sql(p_relation, '__n'))
        || case when p_by_key then format(' where not exists (select from __old __o where %s)', v_same_key) else '' end;
    when 'DELETE' then
      return format('__old __o cross join lateral (select %s) __i', audit.image_columns_sql(p_relation, '__o'))
        || case when p_by_key then format(' where not exists (select from __new __n where %s)', v_same_key) else '' end;
    when 'UPDATE' then
      -- A change of nothing but excluded or ignored columns is none.
      return format(
        v_pairs,
        case when p_by_key then '__old __o join __new __n on ' || v_same_key
        else '(select row_number() over () as __position, * from __old) __o '
          'full join (select row_number() over () as __position, * from __new) __n using (__position)' end,
        audit.image_columns_sql(p_relation, '__o'), audit.image_columns_sql(p_relation, '__n', '__o'),
        audit.compared_columns_sql(p_relation, '__o', '__n', true), audit.ignored_names(p_relation)
      );
    else
      if (select relkind = 'r' from pg_class where oid = p_relation) then
        return format('only %s __o cross join lateral (select %s) __i', p_relation::regclass, audit.image_columns_sql(p_relation, '__o'));
      end if;
      v_left := audit.truncated_by(p_relation);
      return format(
        '%s __o cross join lateral (select %s) __i where %s', p_relation::regclass, audit.image_columns_sql(p_relation, '__o'),
        case when v_left is null then 'false' else format('__o.tableoid = any (%L::oid[])', v_left) end
      );
  end case;
end
$$;
comment on function audit.capture_source(oid, text, boolean) is
  'SQL for the FROM of a statement that records: rows __o and __n, and their images __i and __j; by key, those rows alone that have, or for INSERT and DELETE lack, a partner.';

create or replace function audit.ignored_names(p_relation oid) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
return (select coalesce(array_agg(c.name) filter (where c.is_ignored), '{}') from audit.captured_columns(p_relation) c);
comment on function audit.ignored_names(oid) is 'The columns of a tracked relation whose changes alone are not recorded.';

-- A partition that was made after its root was tracked has no trigger yet; the nearest relation above it that has one
-- records its rows.
create or replace function audit.truncated_by(p_relation oid) returns oid[]
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select array_agg(t.relid::oid)
  from pg_partition_tree(p_relation) t
  where t.isleaf and not exists (
    select from pg_partition_ancestors(t.relid) a
    join pg_trigger g on g.tgrelid = a.relid and g.tgname = 'audit_truncate' and g.tgenabled in ('O', 'A')
    where a.relid <> p_relation and a.relid not in (select relid from pg_partition_ancestors(p_relation))
  )
);
comment on function audit.truncated_by(oid) is
  'The partitions whose rows the TRUNCATE trigger of a partitioned table records, because nothing nearer does.';

create or replace function audit.capture_sql(p_relation oid, p_operation text, p_context text, p_by_key boolean default false)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'insert into audit.audit_logs (table_schema, table_name, record_id, new_record_id, action, old_values, new_values, '
    'changed_fields, exact_values, user_id, request_id, restore_id) select %L, %L, %s, %s, %L, %s, %s, %s, %s, %s from %s',
    t.table_schema, t.table_name,
    case p_operation when 'INSERT' then k.new else k.old end,
    case p_operation when 'UPDATE' then format('nullif(%s, %s)', k.new, k.old) else 'null' end,
    p_operation,
    case p_operation when 'INSERT' then 'null' else 'to_jsonb(__i)' end,
    case p_operation
      when 'INSERT' then 'to_jsonb(__j)'
      when 'UPDATE' then 'to_jsonb(__j) - ' || audit.compared_columns_sql(p_relation, '__o', '__n', false)
      else 'null'
    end,
    case p_operation when 'UPDATE' then audit.compared_columns_sql(p_relation, '__o', '__n', true) else 'null' end,
    coalesce(audit.exact_values_sql(p_relation, p_operation), 'null'),
    p_context,
    audit.capture_source(p_relation, p_operation, p_by_key)
  )
  from audit.tracked_tables t
  cross join lateral (select audit.record_key_sql(p_relation, '__o') as old, audit.record_key_sql(p_relation, '__n') as new) k
  where t.relation = p_relation
);
comment on function audit.capture_sql(oid, text, text, boolean) is
  'The statement with which a trigger records an INSERT, UPDATE, DELETE or TRUNCATE of a tracked table; p_context is SQL for user, request and restore.';

-- What to do for an UPDATE of one row, __before to __after: statements of plpgsql keep their expressions ready for the length of a
-- transaction, which costs half of what one SQL statement does that is made ready each time. What hardly ever happens (a
-- change of the key, values that images lose) stands behind an if, so that a transaction of one write need not make it ready.
create or replace function audit.capture_row_code(p_relation oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select string_agg(
    format(
      E'    if %s then\n      __fields := array_append(__fields, %L);\n      __values := coalesce(__values, ''{}'') || %s;\n%s    end if;\n',
      audit.differs_sql(p_relation, c.name, '__before', '__after'), c.name,
      case when c.is_redacted then
        format('case when __after.%1$I is null then %2$L::jsonb else %3$L::jsonb end', c.name,
          jsonb_build_object(c.name, null), jsonb_build_object(c.name, '[redacted]'))
      else format('jsonb_build_object(%1$L, __after.%1$I)', c.name) end,
      case when c.key_position is not null then
        format(E'      __new_key := nullif(%s, %s);\n', audit.record_key_sql(p_relation, '__after'), audit.record_key_sql(p_relation, '__before'))
      else '' end
    ), '' order by a.attnum
  ) || format(
    $code$
    if coalesce(__fields, '{}') <@ %L::text[] then
      return null;
    end if;
    __key := %s;
    __image := %s;
%s    insert into audit.audit_logs (table_schema, table_name, record_id, new_record_id, action, old_values, new_values,
      changed_fields, exact_values, user_id, request_id, restore_id)
    values (%L, %L, __key, __new_key, 'UPDATE', __image, __values, __fields, __exact, __user, __request, __restore);
$code$,
    audit.ignored_names(p_relation),
    audit.record_key_sql(p_relation, '__before'), audit.image_sql(p_relation, '__before'),
    case when audit.is_lost_sql(p_relation, '__before') is null then ''
    else format(
      E'    if %s or %s then\n      __exact := %s;\n    end if;\n',
      audit.is_lost_sql(p_relation, '__before'), audit.is_lost_sql(p_relation, '__after'),
      audit.exact_values_sql(p_relation, 'UPDATE', '__before', '__after')
    ) end,
    min(t.table_schema), min(t.table_name)
  )
  from audit.captured_columns(p_relation) c
  join pg_attribute a on a.attrelid = p_relation and a.attname = c.name
  join audit.tracked_tables t on t.relation = p_relation
  where not c.is_excluded
);
comment on function audit.capture_row_code(oid) is 'The statements of plpgsql that record an UPDATE of one row.';

create or replace function audit.restore_of_session() returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
return case
  when current_setting('audit.restore_id', true) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  then current_setting('audit.restore_id', true)::uuid
end;
comment on function audit.restore_of_session() is 'The restore that this transaction belongs to, if it is one.';
