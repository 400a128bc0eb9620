-- What a restore did, the other way round: inserted rows go, others are as its snapshot has them.
create or replace function audit.draft_rollback(p_run uuid) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into pg_temp.restore_draft (
    relation, record_id, live_record_id, is_there, target, exact, fields, left_image, left_exact, action
  )
  select
    i.relation, coalesce(i.live_record_id, i.record_id), i.record_id, s.position is not null, s.image, s.exact,
    case when i.action <> 'delete' and s.position is not null then coalesce(i.columns, array(select jsonb_object_keys(i.target))) end,
    case i.action
      when 'insert' then i.target
      when 'update' then (select jsonb_object_agg(c, i.target -> c) from unnest(i.columns) c)
      else 'null'
    end,
    i.target_exact, case when s.position is null then 'delete' else 'insert' end
  from audit.restore_items i
  join audit.restore_outcomes o on o.run_id = i.run_id and o.position = i.position and o.outcome = 'applied'
  left join audit.restore_snapshot_rows s on s.run_id = i.run_id and s.position = i.position
  where i.run_id = p_run;
  get diagnostics v_count = row_count;
  -- The restore deleted it and gave its key to another row: that one moves away, and this one is made again.
  update pg_temp.restore_draft d
  set is_anew = true
  where d.left_image = 'null' and exists (
    select from pg_temp.restore_draft o
    where o.relation = d.relation and o.live_record_id = d.live_record_id and o.record_id <> o.live_record_id
  );
  return v_count;
end
$$;
comment on function audit.draft_rollback(uuid) is 'Drafts to undo what a restore applied, from its snapshot; returns how many rows.';

-- Where a row is still exactly as the restore left it, all of it goes back, what the application's triggers changed included.
create or replace function audit.widen_rollback(p_run uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  create temp table restore_left on commit drop as
  select i.relation, i.record_id, o.digest
  from audit.restore_items i
  join lateral (
    select o.digest from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position offset 0
  ) o on true
  where i.run_id = p_run and i.action = 'update';
  analyze pg_temp.restore_left;
  update pg_temp.restore_draft d
  set fields = null
  from pg_temp.restore_live l, pg_temp.restore_left r
  where d.is_there and d.fields is not null and l.draft_id = d.draft_id
    and r.relation = d.relation and r.record_id = d.live_record_id and r.digest = l.digest;
end
$$;
comment on function audit.widen_rollback(uuid) is 'Lets a rollback set back whole rows that nobody has touched since the restore.';
