-- Locks the rows of a chunk in the order of their keys and returns the positions of those that are not as they were planned.
create or replace function audit.lock_restore_rows(p_run uuid, p_mode text) returns int[]
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_relation oid;
  v_match text;
  v_some int[];
  v_all int[] := '{}';
begin
  for v_relation in
    select distinct relation from pg_temp.restore_chunk order by 1
  loop
    v_match := audit.key_match_sql(v_relation, '__t', 'coalesce(__i.live_record_id, __i.record_id)');
    -- A subquery per row, which no join can stand for: statistics of a table whose rows have just gone or come mislead by
    -- orders of magnitude, and its key has an index.
    execute format(
      'select coalesce(array_agg(__i.position order by __i.position), ''{}'') '
      'from (select * from pg_temp.restore_chunk where relation = %s order by record_id offset 0) __i '
      'left join lateral (select %s as digest from %s __t where %s offset 0 for update) __l on true '
      'where __i.conflict is not null and $1 <> ''overwrite'' or __l.digest is distinct from __i.live_digest',
      v_relation, audit.row_digest_sql('__t'), v_relation::regclass, v_match
    ) into v_some using p_mode;
    if v_some <> '{}' then
      -- A key that a row holds which this chunk moves away before is free.
      v_some := audit.changed_by_others(p_run, array(
        select i.position
        from pg_temp.restore_chunk i
        where i.position = any (v_some) and not (i.action = 'insert' and i.conflict is null and exists (
          select from pg_temp.restore_chunk o
          where o.relation = i.relation and o.live_record_id = i.record_id and o.position < i.position
        ))
      ));
    end if;
    v_all := v_all || v_some;
  end loop;
  return v_all;
end
$$;
comment on function audit.lock_restore_rows(uuid, text) is
  'Locks the rows that a chunk writes and finds those that changed since the plan (or had a conflict in it, unless that is overwritten).';

-- An earlier chunk changes rows of a later one by ON UPDATE CASCADE, or by the application's triggers. Such a row is as it was
-- planned if the restore found it so when it first changed it, and nobody else has changed it since.
create or replace function audit.changed_by_others(p_run uuid, p_positions int[]) returns int[]
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select coalesce(array_agg(i.position order by i.position), '{}')
  from audit.restore_items i
  join audit.tracked_tables t on t.relation = i.relation
  where i.run_id = p_run and i.position = any (p_positions) and (
    i.conflict is not null or not exists (
      select from audit.audit_logs l
      where l.table_name = t.table_name and l.table_schema = t.table_schema and l.record_id = i.live_record_id
        and l.restore_id = p_run and coalesce(l.new_record_id, i.record_id) = i.record_id and l.action = 'UPDATE' and l.old_values = i.live
        and coalesce(nullif(l.exact_values -> 'old', 'null'), '{}') = coalesce(i.live_exact, '{}')
        and not exists (
          select from audit.audit_logs o
          where o.table_name = t.table_name and o.table_schema = t.table_schema and o.record_id = i.live_record_id
            and o.id > l.id and o.restore_id is distinct from p_run
        )
    )
  )
);
comment on function audit.changed_by_others(uuid, int[]) is 'Which of a restore''s items concern rows that somebody but the restore itself has changed.';

-- A row does not go while one references it that stays, because it came after the plan or is left as it is: a cascade would
-- take it unseen, or clear its reference. The parents are locked, so no other can come. Adds the positions of such rows.
create or replace function audit.keep_parents(p_conflicts int[]) returns int[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_going constant oid[] := array(select distinct relation from pg_temp.restore_chunk where action = 'delete');
  v_all int[] := p_conflicts;
  v_some int[];
  v_key record;
  v_before int;
begin
  if v_going = '{}' then
    return p_conflicts;
  end if;
  loop
    v_before := cardinality(v_all);
    for v_key in
      select k.*, t.relation is not null as is_tracked
      from audit.foreign_keys_of(v_going) k
      left join audit.tracked_tables t on t.relation = k.child
      where k.on_delete in ('c', 'n', 'd') and k.parent = any (v_going)
        and has_schema_privilege((select relnamespace from pg_class where oid = k.child), 'usage') and has_table_privilege(k.child, 'select')
    loop
      execute format(
        'select coalesce(array_agg(distinct __i.position), ''{}'') '
        'from pg_temp.restore_chunk __i join %s __t on %s '
        'where __i.relation = %s and __i.action = ''delete'' and __i.position <> all ($1) and not (%s)',
        v_key.child::regclass,
        (
          select string_agg(format('__t.%I = (__i.live ->> %L)::%s', k.c, k.p, format_type(a.atttypid, a.atttypmod)), ' and ')
          from unnest(v_key.child_columns, v_key.parent_columns) k (c, p)
          join pg_attribute a on a.attrelid = v_key.child and a.attname = k.c
        ),
        v_key.parent,
        case when v_key.is_tracked
          then format(
            'exists (select from pg_temp.restore_chunk __o where __o.relation = %s and __o.live_record_id = %s and __o.position <> all ($1) '
            -- It goes as well, or references another row by then.
            'and (__o.action = ''delete'' or __o.action = ''update'' and %s and not (%s)))',
            v_key.child, audit.record_key_sql(v_key.child, '__t'),
            -- What the deletion clears is written afterwards, if all of it is.
            format(case when v_key.on_delete = 'c' then '__o.position < __i.position and __o.columns && %1$L::text[]'
              else '(__o.position < __i.position and __o.columns && %1$L::text[] or __o.columns @> %1$L::text[])' end, v_key.child_columns),
            audit.reference_sql('__o.target', v_key.child_columns, '__i.live', v_key.parent_columns)
          )
          else 'false'
        end
      ) into v_some using v_all;
      v_all := v_all || v_some;
    end loop;
    exit when cardinality(v_all) = v_before;
  end loop;
  return v_all;
end
$$;
comment on function audit.keep_parents(int[]) is 'Adds to the rows of a chunk that are not as planned those whose deletion would take, or change, a row that stays.';
