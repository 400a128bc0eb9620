-- A chunk of a restore in one transaction, which also marks what it did: a retry finds it done. While rows
-- are written the search_path is the application's, whose triggers run then; everything of ours is named in full.
create or replace function audit.apply_restore_chunk(p_run uuid, p_chunk int, p_epoch int) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
-- Statements are made anew for each chunk: compiling them costs more than it saves.
set jit = off
as $$
declare
  v_run audit.restore_runs;
  v_done audit.restore_chunks;
  v_batch record;
  v_conflicts int[];
  v_kept int[];
  v_held int[];
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
  analyze pg_temp.restore_chunk (position, batch, relation, action, record_id, live_record_id);
  v_conflicts := audit.lock_restore_rows(p_run, v_mode);
  -- What is overwritten goes whatever it is by now; what else references a row that goes is nobody's to overwrite.
  v_kept := audit.keep_parents(case when v_mode = 'overwrite' then '{}' else v_conflicts end);
  if v_mode <> 'overwrite' or v_kept <> '{}' then
    v_conflicts := v_kept;
  end if;
  if v_conflicts <> '{}' and (v_mode = 'fail' or v_mode = 'overwrite' and v_kept <> '{}') then
    return audit.stopped_by('conflict', v_conflicts);
  end if;
  v_held := audit.held_deletions(case when v_mode = 'skip' then v_conflicts else '{}' end);
  if v_held <> '{}' then
    return audit.stopped_by('held', v_held);
  end if;
  if v_mode = 'skip' then
    insert into audit.restore_outcomes (run_id, position, outcome, detail)
    select p_run, c, 'skipped', 'changed since the plan' from unnest(v_conflicts) c;
  end if;

  for v_batch in
    select b.*, n.nspname as schema_name
    from (
      select i.batch, i.relation, i.action, min(i.position) as first, max(i.position) as last
      from pg_temp.restore_chunk i
      group by i.batch, i.relation, i.action
    ) b
    join pg_catalog.pg_class c on c.oid = b.relation
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    order by b.batch
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
  'Applies a chunk of a restore, once: {state: done | conflict | held | cancelled | superseded, …}. Unless done nothing was changed. Raises AF001 where rows were suppressed, AF002 where the run was taken away meanwhile.';

create or replace function audit.stopped_by(p_state text, p_positions int[]) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object(
      'state', p_state, 'rows', cardinality(p_positions),
      'items', jsonb_agg(
        jsonb_build_object('position', i.position, 'table', concat_ws('.', t.table_schema, t.table_name), 'recordId', i.record_id)
        order by i.position
      )
    )
    from pg_temp.restore_chunk i
    left join audit.tracked_tables t on t.relation = i.relation
    where i.position = any (p_positions[1:20])
  );
end
$$;
comment on function audit.stopped_by(text, int[]) is 'Says that a chunk was not applied, because of how many rows, and names the first of them.';
