-- A restore deletes no row that a hold keeps: its plan shows that, and each chunk asks again.

create or replace function audit.held_keys(p_relation oid, p_keys text[]) returns table (key text, holds jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select k.key, jsonb_agg(distinct s.hold_id)
  from unnest(p_keys) k (key)
  cross join unnest(audit.row_names(p_relation)) n (name)
  cross join lateral audit.deletion_stops(null, n.name, k.key, null, false) s
  group by k.key
$$;
comment on function audit.held_keys(oid, text[]) is 'Which rows of a tracked table, by their keys, holds keep from being deleted, and the ids of those.';

create or replace function audit.check_holds() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
  select 'blocking', 'held', g.relation, h.key, jsonb_build_object('holds', h.holds)
  from (
    select d.relation, array_agg(l.record_id) as keys
    from pg_temp.restore_draft d
    join pg_temp.restore_live l on l.draft_id = d.draft_id
    where d.action = 'delete'
    group by d.relation
  ) g
  cross join lateral audit.held_keys(g.relation, g.keys) h;
end
$$;
comment on function audit.check_holds() is 'Notes drafted deletions of rows that a hold keeps.';

-- p_left: positions of rows that the chunk leaves as they are.
create or replace function audit.held_deletions(p_left int[]) returns int[]
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_temp.restore_chunk where action = 'delete') then
    return '{}';
  end if;
  perform audit.lock_holds();
  return array(
    select i.position
    from (
      select d.relation, array_agg(d.live_record_id) as keys
      from pg_temp.restore_chunk d
      where d.action = 'delete' and d.position <> all (p_left)
      group by d.relation
    ) g
    cross join lateral audit.held_keys(g.relation, g.keys) h
    join pg_temp.restore_chunk i on i.relation = g.relation and i.action = 'delete' and i.live_record_id = h.key
    order by i.position
  );
end
$$;
comment on function audit.held_deletions(int[]) is
  'The positions of rows that a chunk would delete and a hold keeps; no hold is placed from here to its commit.';
