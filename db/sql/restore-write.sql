-- The statements that write one batch and note its outcomes; of each $1 is the run, $2 and $3 the first and last position, $4
-- the positions of rows that are not as planned. Those are left out, or, with p_overwrite, brought to their targets whatever
-- is there by now, after the snapshot has taken that up.
create or replace function audit.write_statements(
  p_run uuid, p_relation oid, p_action text, p_first int, p_last int, p_conflicts int[], p_overwrite boolean
) returns setof text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_regular constant text := '__i.position between $2 and $3 and __i.position <> all ($4)';
  v_conflict constant text := '__i.position between $2 and $3 and __i.position = any ($4)';
  v_live constant text := audit.key_match_sql(p_relation, '__t', 'coalesce(__i.live_record_id, __i.record_id)');
  v_name constant text := p_relation::regclass;
  v_touch constant text[] := audit.touched_columns(p_run, p_relation);
  v_columns text[];
  v_shape record;
begin
  if p_overwrite and exists (select from unnest(p_conflicts) c where c between p_first and p_last) then
    return next 'delete from audit.restore_snapshot_rows s where s.run_id = $1 and s.position between $2 and $3 and s.position = any ($4)';
    return next format(
      'insert into audit.restore_snapshot_rows (run_id, position, image, exact, digest) select __i.run_id, __i.position, %s, %s, %s '
      'from pg_temp.restore_chunk __i join %s __t on %s where %s',
      audit.image_sql(p_relation, '__t'), coalesce(audit.exact_sql(p_relation, '__t'), 'null::jsonb'), audit.row_digest_sql('__t'),
      v_name, v_live, v_conflict
    );
    if p_action = 'delete' then
      return next audit.delete_sql(p_relation, v_conflict);
    else
      v_columns := array(
        select distinct k from pg_temp.restore_chunk i cross join jsonb_object_keys(i.target) k
        where i.position = any (p_conflicts) and i.position between p_first and p_last
      );
      return next audit.update_sql(p_relation, v_conflict, v_columns, v_touch);
      for v_shape in select * from audit.image_shapes(p_first, p_last) loop
        return next audit.insert_sql(
          p_relation,
          concat_ws(' and ', v_conflict, v_shape.condition, 'not exists (select from audit.restore_outcomes o where o.run_id = $1 and o.position = __i.position)'),
          v_shape.names, v_touch
        );
      end loop;
    end if;
    return next 'insert into audit.restore_outcomes (run_id, position, outcome, detail) '
      'select __i.run_id, __i.position, ''skipped'', ''gone already'' from pg_temp.restore_chunk __i where ' || v_conflict
      || ' and __i.action = ''delete'' on conflict do nothing';
  end if;

  if p_action = 'delete' then
    return next audit.delete_sql(p_relation, v_regular);
  elsif p_action = 'update' then
    v_columns := array(
      select distinct c from pg_temp.restore_chunk i cross join unnest(i.columns) c where i.position between p_first and p_last
    );
    return next audit.update_sql(p_relation, v_regular, v_columns, v_touch);
    if exists (
      select from pg_temp.restore_chunk i where i.position between p_first and p_last and i.record_id <> i.live_record_id
    ) then
      -- Its key went with that of a row which it references.
      return next audit.update_sql(
        p_relation,
        v_regular || ' and __i.record_id <> __i.live_record_id and '
          'not exists (select from audit.restore_outcomes o where o.run_id = $1 and o.position = __i.position)',
        v_columns, v_touch, '__i.record_id'
      );
    end if;
  else
    for v_shape in select * from audit.image_shapes(p_first, p_last) loop
      return next audit.insert_sql(p_relation, concat_ws(' and ', v_regular, v_shape.condition), v_shape.names, v_touch);
    end loop;
  end if;
end
$$;
comment on function audit.write_statements(uuid, oid, text, int, int, int[], boolean) is 'The statements that write one batch of a restore.';

-- A column that an image does not have gets its default, so each set of columns is a statement of its own. Most often there
-- is one, and then no image needs to be asked for it.
create or replace function audit.image_shapes(p_first int, p_last int) returns table (names text[], condition text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  names := array(select jsonb_object_keys(i.target) from pg_temp.restore_chunk i where i.position = p_first);
  if not exists (
    select from pg_temp.restore_chunk i
    where i.position between p_first and p_last and not (i.target ?& names and i.target - names = '{}')
  ) then
    return next;
    return;
  end if;
  for names in
    select distinct array(select jsonb_object_keys(i.target)) from pg_temp.restore_chunk i where i.position between p_first and p_last
  loop
    condition := format('__i.target ?& %1$L::text[] and __i.target - %1$L::text[] = ''{}''', names);
    return next;
  end loop;
end
$$;
comment on function audit.image_shapes(int, int) is
  'The sets of columns that the images of a batch have, and SQL for whether __i has one; null where all do.';

create or replace function audit.touched_columns(p_run uuid, p_relation oid) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select coalesce(array_agg(c), '{}')
  from audit.restore_runs r
  cross join jsonb_array_elements(r.tables) t
  cross join jsonb_array_elements_text(t -> 'touch') c
  where r.id = p_run and (t ->> 'relation')::oid = p_relation
    and c in (select k.name from audit.restore_columns(p_relation) k where k.is_writable)
);
comment on function audit.touched_columns(uuid, oid) is 'The columns that get the time of the restore, as the configuration said when it was planned.';

create or replace function audit.insert_sql(p_relation oid, p_mine text, p_columns text[], p_touch text[]) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'with __w as (insert into %s as __t (%s) overriding system value select %s '
    'from pg_temp.restore_chunk __i cross join lateral jsonb_to_record(__i.target) as %s '
    'where %s order by __i.position '
    'returning %s as __key, %s as __digest) '
    'insert into audit.restore_outcomes (run_id, position, outcome, digest) select $1, __i.position, ''applied'', __w.__digest '
    'from __w join pg_temp.restore_chunk __i on __i.position between $2 and $3 and __i.record_id = __w.__key',
    p_relation::regclass,
    string_agg(quote_ident(c), ', ' order by c),
    string_agg(case when c = any (p_touch) then 'now()' else audit.image_value_sql(p_relation, c, '__i.target_exact') end, ', ' order by c),
    audit.image_record_sql(p_relation, p_columns), p_mine,
    audit.record_key_sql(p_relation, '__t'), audit.row_digest_sql('__t')
  )
  from unnest(p_columns) c
);
comment on function audit.insert_sql(oid, text, text[], text[]) is 'Inserts items whose images have exactly these columns.';

drop function if exists audit.update_sql(oid, text, text[], text[]);
create or replace function audit.update_sql(
  p_relation oid, p_mine text, p_columns text[], p_touch text[], p_key text default 'coalesce(__i.live_record_id, __i.record_id)'
) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format(
    'with __w as (update %s as __t set %s from pg_temp.restore_chunk __i cross join lateral jsonb_to_record(__i.target) as %s '
    'where %s and __i.target is not null and %s returning __i.position as __position, %s as __digest) '
    'insert into audit.restore_outcomes (run_id, position, outcome, digest) select $1, __w.__position, ''applied'', __w.__digest from __w',
    p_relation::regclass,
    string_agg(
      case when c = any (p_touch) then format('%I = now()', c)
      else format(
        '%1$I = case when (__i.columns is null or %1$L = any (__i.columns)) and __i.target ? %1$L then %2$s else __t.%1$I end',
        c, audit.image_value_sql(p_relation, c, '__i.target_exact')) end,
      ', ' order by c
    ),
    audit.image_record_sql(p_relation, p_columns), p_mine, audit.key_match_sql(p_relation, '__t', p_key), audit.row_digest_sql('__t')
  )
  from (
    select c from unnest(p_columns) c
    union
    select unnest(p_touch)
  ) u
  where c not in (select i.name from audit.restore_columns(p_relation) i where i.is_fixed_identity)
);
comment on function audit.update_sql(oid, text, text[], text[], text) is 'Sets the columns that each item names; all of its image where it names none.';

create or replace function audit.delete_sql(p_relation oid, p_mine text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return format(
  'with __w as (delete from %s as __t using pg_temp.restore_chunk __i where %s and %s returning __i.position as __position) '
  'insert into audit.restore_outcomes (run_id, position, outcome) select $1, __w.__position, ''applied'' from __w',
  p_relation::regclass, p_mine, audit.key_match_sql(p_relation, '__t', '__i.live_record_id')
);
comment on function audit.delete_sql(oid, text) is 'Deletes the rows of items.';

-- Keys that came back must not be given out again. Only forward: others take numbers meanwhile.
create or replace function audit.move_sequences() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sequence record;
  v_highest bigint;
begin
  for v_sequence in
    select r.relation, s.oid::regclass as sequence, a.attname::text as column_name
    from (
      select distinct relation from pg_temp.restore_chunk where action <> 'delete'
    ) r
    join pg_depend d on d.refobjid = r.relation and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    join pg_class s on s.oid = d.objid and s.relkind = 'S'
    join pg_sequence q on q.seqrelid = s.oid and q.seqincrement > 0
    join pg_attribute a on a.attrelid = r.relation and a.attnum = d.refobjsubid
  loop
    select max((i.target ->> v_sequence.column_name)::bigint) into v_highest
    from pg_temp.restore_chunk i
    where i.relation = v_sequence.relation and i.action <> 'delete';
    execute format('select setval(%L, $1) from %s where last_value < $1 or last_value = $1 and not is_called', v_sequence.sequence, v_sequence.sequence) using v_highest;
  end loop;
end
$$;
comment on function audit.move_sequences() is 'Moves the sequences of restored columns past what was restored.';
