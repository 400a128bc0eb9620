-- The images of drafted rows become what can be written into the columns of today.

-- The target images become what can be written today: columns that are gone are lost, hidden ones cannot be had.
create or replace function audit.map_columns(p_only text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_today text[];
  v_writable text[];
  v_hidden text[];
  v_required text[];
  v_has_others boolean;
  v_lacks boolean;
  v_hides boolean;
  v_has_exact boolean;
begin
  for v_relation in select distinct relation from pg_temp.restore_draft order by 1 loop
    select
      array_agg(c.name), coalesce(array_agg(c.name) filter (where c.is_writable), '{}'), coalesce(array_agg(c.name) filter (where c.is_hidden), '{}'),
      coalesce(array_agg(c.name) filter (where c.is_required), '{}')
    into v_today, v_writable, v_hidden, v_required
    from audit.restore_columns(v_relation) c;

    -- One look says what is to be done at all: images mostly have the columns of today, and nothing redacted.
    select
      coalesce(bool_or(d.target - v_writable <> '{}'), false), coalesce(bool_or(not d.target ?& v_writable), false),
      -- Hidden from the history now, or when the image was taken.
      v_hidden <> '{}' or coalesce(bool_or(d.target @? '$.* ? (@ == "[redacted]")'), false),
      coalesce(bool_or(d.exact is not null), false)
    into v_has_others, v_lacks, v_hides, v_has_exact
    from pg_temp.restore_draft d
    where d.relation = v_relation and d.is_there;

    if v_has_others then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      select 'loss', 'column_dropped', v_relation, jsonb_build_object('column', k, 'rows', count(*))
      from pg_temp.restore_draft d
      cross join jsonb_object_keys(d.target - v_today) k
      where d.relation = v_relation and d.is_there and (d.fields is null or k = any (d.fields))
      group by k;
    end if;
    if v_hides then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      select
        case when h.name = any (v_required) and r.draft_id is null then 'blocking' else 'loss' end, 'column_hidden', v_relation,
        jsonb_build_object('column', h.name, 'rows', count(*), 'isRequired', h.name = any (v_required), 'isThere', r.draft_id is not null)
      from pg_temp.restore_draft d
      left join pg_temp.restore_live r on r.draft_id = d.draft_id
      cross join lateral (
        select unnest(v_hidden) as name
        union
        select e.key from jsonb_each(d.target) e where d.target::text like '%"[redacted]"%' and e.value = '"[redacted]"' and e.key = any (v_today)
      ) h
      where d.relation = v_relation and d.is_there and (r.draft_id is null or h.name = any (d.fields))
      group by h.name, r.draft_id is null, r.draft_id is not null;
    end if;
    if v_has_others or v_hides then
      update pg_temp.restore_draft d
      set
        hidden = to_jsonb(array(select k from jsonb_object_keys(d.target) k where d.target -> k = '"[redacted]"')),
        target = d.target - array(
          select k from jsonb_object_keys(d.target) k where k <> all (v_writable) or d.target -> k = '"[redacted]"'
        )
      where d.relation = v_relation and d.is_there
        and (d.target - v_writable <> '{}' or v_hides and d.target::text like '%"[redacted]"%');
    end if;
    if v_lacks or v_hides then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      select
        case when c = any (v_required) then 'blocking' else 'note' end, case when c = any (v_required) then 'column_required' else 'column_added' end,
        v_relation, jsonb_build_object('column', c, 'rows', count(*))
      from pg_temp.restore_draft d
      left join pg_temp.restore_live r on r.draft_id = d.draft_id
      cross join unnest(v_writable) c
      where d.relation = v_relation and d.is_there and r.draft_id is null and not d.target ?& v_writable and not d.target ? c
        and not (d.hidden ? c)
      group by c;
    end if;

    if p_only is not null then
      insert into pg_temp.restore_problems (severity, code, relation, record_id)
      select 'blocking', 'row_missing', v_relation, d.record_id
      from pg_temp.restore_draft d
      where d.relation = v_relation and d.is_there and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
      update pg_temp.restore_draft
      set fields = array(select c from unnest(p_only) c where fields is null or c = any (fields))
      where relation = v_relation;
    end if;
    perform audit.fit_images(v_relation, not (v_lacks or v_hides or v_has_exact));
  end loop;
end
$$;
comment on function audit.map_columns(text[]) is
  'Maps the images to the columns of today and notes what is lost; p_only restricts a restore to these columns of rows that are there.';
