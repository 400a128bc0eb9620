-- A chunk of a restore in one transaction, which also marks what it did: a retry finds it done. While rows
-- are written the search_path is the application's, whose triggers run then; everything of ours is named in full.
create or replace function audit.apply_restore_chunk(p_run uuid, p_chunk int, p_epoch int) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run audit.restore_runs;
  v_done audit.restore_chunks;
  v_batch record;
  v_conflicts int[];
  v_kept int[];
  v_mode text;
  v_statement text;
  v_first int;
  v_last int;
  v_counts record;
begin
  perform audit.pin_restore_session();
  -- A second delivery of the same step waits here, and finds the chunk done.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(p_run::text, 7));
  select * into strict v_run from audit.restore_runs where id = p_run;
  if v_run.epoch <> p_epoch or v_run.status <> 'running' then
    return pg_catalog.jsonb_build_object('state', 'superseded');
  end if;
  select * into v_done from audit.restore_chunks where run_id = p_run and chunk = p_chunk;
  if found then
    return pg_catalog.jsonb_build_object('state', 'done', 'applied', v_done.applied_count, 'skipped', v_done.skipped_count);
  end if;
  if v_run.cancel_requested_at is not null then
    return pg_catalog.jsonb_build_object('state', 'cancelled');
  end if;
  v_mode := v_run.options ->> 'onConflict';
  perform
    pg_catalog.set_config('audit.restore_id', p_run::text, true),
    pg_catalog.set_config('app.user_id', v_run.requested_by_user_id, true),
    pg_catalog.set_config('app.request_id', '', true);
  set constraints all deferred;

  v_first := v_run.chunk_starts[p_chunk];
  v_last := coalesce(v_run.chunk_starts[p_chunk + 1] - 1, v_run.item_count);
  -- The chunk's items with their statistics: those of restore_items are of other runs.
  create temp table restore_chunk on commit drop as
  select i.* from audit.restore_items i where i.run_id = p_run and i.position between v_first and v_last;
  create unique index on pg_temp.restore_chunk (position);
  analyze pg_temp.restore_chunk;
  v_conflicts := audit.lock_restore_rows(p_run, v_mode);
  -- What is overwritten goes whatever it is by now; what else references a row that goes is nobody's to overwrite.
  v_kept := audit.keep_parents(case when v_mode = 'overwrite' then '{}' else v_conflicts end);
  if v_mode <> 'overwrite' or v_kept <> '{}' then
    v_conflicts := v_kept;
  end if;
  if v_conflicts <> '{}' and (v_mode = 'fail' or v_mode = 'overwrite' and v_kept <> '{}') then
    return pg_catalog.jsonb_build_object(
      'state', 'conflict', 'rows', pg_catalog.cardinality(v_conflicts),
      'items', (
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
          'position', i.position, 'table', pg_catalog.concat_ws('.', t.table_schema, t.table_name), 'recordId', i.record_id) order by i.position)
        from pg_temp.restore_chunk i
        left join audit.tracked_tables t on t.relation = i.relation
        where i.position = any (v_conflicts[1:20])
      )
    );
  end if;
  if v_mode = 'skip' then
    insert into audit.restore_outcomes (run_id, position, outcome, detail)
    select p_run, c, 'skipped', 'changed since the plan' from unnest(v_conflicts) c;
  end if;

  for v_batch in
    select i.batch, i.relation, i.action, n.nspname as schema_name, min(i.position) as first, max(i.position) as last
    from pg_temp.restore_chunk i
    join pg_catalog.pg_class c on c.oid = i.relation
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    group by i.batch, i.relation, i.action, n.nspname
    order by i.batch
  loop
    -- What the application's triggers name without a schema is looked for where they live.
    perform pg_catalog.set_config('search_path', pg_catalog.quote_ident(v_batch.schema_name) || ', public', true);
    for v_statement in
      select audit.write_statements(p_run, v_batch.relation, v_batch.action, v_batch.first, v_batch.last, v_conflicts, v_mode = 'overwrite')
    loop
      execute v_statement using p_run, v_batch.first, v_batch.last, v_conflicts;
    end loop;
  end loop;
  set constraints all immediate;
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

  select
    count(*) filter (where o.outcome = 'applied') as applied, count(*) filter (where o.outcome = 'skipped') as skipped,
    v_last - v_first + 1 - count(*) as missing
  into v_counts
  from audit.restore_outcomes o
  where o.run_id = p_run and o.position between v_first and v_last;
  if v_counts.missing > 0 then
    raise exception '% rows were not written', v_counts.missing
      using errcode = 'AF001', hint = 'A trigger or a policy of the application suppressed them.';
  end if;
  perform audit.move_sequences();
  insert into audit.restore_chunks (run_id, chunk, applied_count, skipped_count) values (p_run, p_chunk, v_counts.applied, v_counts.skipped);
  -- Somebody may have abandoned or resumed the run meanwhile; who does so from here on waits for the commit.
  select * into strict v_run from audit.restore_runs where id = p_run for share;
  if v_run.epoch <> p_epoch or v_run.status <> 'running' then
    raise exception 'The run is no longer this workflow''s' using errcode = 'AF002';
  end if;
  return pg_catalog.jsonb_build_object('state', 'done', 'applied', v_counts.applied, 'skipped', v_counts.skipped);
end
$$;
comment on function audit.apply_restore_chunk(uuid, int, int) is
  'Applies a chunk of a restore, once: {state: done | conflict | cancelled | superseded, …}. Unless done nothing was changed. Raises AF001 where rows were suppressed, AF002 where the run was taken away meanwhile.';

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
        and l.restore_id = p_run and l.new_record_id is null and l.action = 'UPDATE' and l.old_values = i.live
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
            'and (__o.action = ''delete'' or __o.action = ''update'' and __o.position < __i.position and __o.columns && %L::text[] and not (%s)))',
            v_key.child, audit.record_key_sql(v_key.child, '__t'), v_key.child_columns,
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
      for v_columns in
        select distinct array(select jsonb_object_keys(i.target))
        from pg_temp.restore_chunk i
        where i.position = any (p_conflicts) and i.position between p_first and p_last
      loop
        return next audit.insert_sql(
          p_relation, v_conflict || ' and not exists (select from audit.restore_outcomes o where o.run_id = __i.run_id and o.position = __i.position)',
          v_columns, v_touch
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
  else
    -- A column that an image does not have gets its default, so each set of columns is a statement of its own.
    for v_columns in
      select distinct array(select jsonb_object_keys(i.target))
      from pg_temp.restore_chunk i
      where i.position between p_first and p_last
    loop
      return next audit.insert_sql(p_relation, v_regular, v_columns, v_touch);
    end loop;
  end if;
end
$$;
comment on function audit.write_statements(uuid, oid, text, int, int, int[], boolean) is 'The statements that write one batch of a restore.';

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
    'where %s and __i.target ?& %L::text[] and __i.target - %L::text[] = ''{}'' order by __i.position '
    'returning %s as __key, %s as __digest) '
    'insert into audit.restore_outcomes (run_id, position, outcome, digest) select $1, __i.position, ''applied'', __w.__digest '
    'from __w join pg_temp.restore_chunk __i on __i.position between $2 and $3 and __i.record_id = __w.__key',
    p_relation::regclass,
    string_agg(quote_ident(c), ', ' order by c),
    string_agg(case when c = any (p_touch) then 'now()' else audit.image_value_sql(p_relation, c, '__i.target_exact') end, ', ' order by c),
    audit.image_record_sql(p_relation, p_columns), p_mine, p_columns, p_columns,
    audit.record_key_sql(p_relation, '__t'), audit.row_digest_sql('__t')
  )
  from unnest(p_columns) c
);
comment on function audit.insert_sql(oid, text, text[], text[]) is 'Inserts the items whose images have exactly these columns.';

create or replace function audit.update_sql(p_relation oid, p_mine text, p_columns text[], p_touch text[]) returns text
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
        '%1$I = case when coalesce(__i.columns, array(select jsonb_object_keys(__i.target))) @> array[%2$L] and __i.target ? %2$L then %3$s else __t.%1$I end',
        c, c, audit.image_value_sql(p_relation, c, '__i.target_exact')) end,
      ', ' order by c
    ),
    audit.image_record_sql(p_relation, p_columns), p_mine,
    audit.key_match_sql(p_relation, '__t', 'coalesce(__i.live_record_id, __i.record_id)'), audit.row_digest_sql('__t')
  )
  from (
    select c from unnest(p_columns) c
    union
    select unnest(p_touch)
  ) u
  where c not in (select i.name from audit.restore_columns(p_relation) i where i.is_fixed_identity)
);
comment on function audit.update_sql(oid, text, text[], text[]) is 'Sets the columns that each item names; all of its image where it names none.';

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

create or replace function audit.snapshot_restore(p_run uuid) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into audit.restore_snapshot_rows (run_id, position, image, exact, digest)
  select i.run_id, i.position, i.live, i.live_exact, i.live_digest
  from audit.restore_items i
  where i.run_id = p_run and i.action <> 'insert'
    -- What was applied before a restore was resumed has its row already, or was found to have none.
    and not exists (select from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position)
  on conflict do nothing;
  select count(*) into v_count from audit.restore_snapshot_rows where run_id = p_run;
  return v_count;
end
$$;
comment on function audit.snapshot_restore(uuid) is
  'Keeps the rows that a restore will change as they are; each is changed only while it is still so. Returns how many.';
