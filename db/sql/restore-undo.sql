-- What several changes of a record come to when they are undone.

create or replace function audit.overlay_image(p_image jsonb, p_over jsonb) returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
return case when p_over is null then p_image when p_image is null or p_image = 'null' or p_over = 'null' then p_over else p_image || p_over end;
comment on function audit.overlay_image(jsonb, jsonb) is 'An image with the columns of another laid over it; JSON null is no row.';

create or replace function audit.some_of_image(p_image jsonb, p_columns text[]) returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
return (select coalesce(jsonb_object_agg(c, p_image -> c), '{}') from unnest(p_columns) c);
comment on function audit.some_of_image(jsonb, text[]) is 'These columns of an image alone; null where it does not have one.';

-- Records that the undone changes touched several times, with others' changes between them perhaps: each column goes back to
-- what the first of them that changed it found. One that did not find what the one before it left is a conflict.
drop function if exists audit.undo_each(oid);
create or replace function audit.undo_each() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entry record;
  v_draft record;
  -- Before the first change of the whole row; which columns were changed until then, and what they held.
  v_is_past boolean;
  v_firsts jsonb;
  v_firsts_exact jsonb;
  v_old_exact jsonb;
  v_new_exact jsonb;
  v_columns text[];
begin
  for v_entry in
    select p.draft_id, e.*, row_number() over w = 1 as is_first, lead(e.id) over w is null as is_last
    from pg_temp.restore_parts p
    join pg_temp.restore_entries e on e.id = p.id
    window w as (partition by p.draft_id order by e.id)
    order by p.draft_id, e.id
  loop
    v_old_exact := coalesce(nullif(v_entry.exact_values -> 'old', 'null'), '{}');
    v_new_exact := coalesce(nullif(v_entry.exact_values -> 'new', 'null'), '{}');
    if v_entry.is_first then
      select * into v_draft from pg_temp.restore_draft where draft_id = v_entry.draft_id;
      v_draft.fields := '{}';
      v_draft.left_image := null;
      v_draft.left_exact := '{}';
      v_is_past := false;
      v_firsts := '{}';
      v_firsts_exact := '{}';
    elsif (v_draft.left_image = 'null') <> (v_entry.action = 'INSERT')
      or v_draft.left_image <> 'null' and exists (
        select from jsonb_each(v_draft.left_image) f
        where (v_entry.action <> 'UPDATE' or f.key = any (v_entry.changed_fields)) and f.value::text is distinct from (v_entry.old_values -> f.key)::text
      )
    then
      v_draft.conflict := 'changed_since';
    end if;
    if not v_is_past and v_entry.action <> 'INSERT' then
      v_columns := array(select c from unnest(v_entry.changed_fields) c where not v_firsts ? c);
      v_firsts := v_firsts || audit.some_of_image(v_entry.old_values, v_columns);
      v_firsts_exact := v_firsts_exact || audit.some_of_image(v_old_exact, v_columns);
      v_draft.target := v_entry.old_values || v_firsts;
      v_draft.exact := jsonb_strip_nulls(v_old_exact || v_firsts_exact);
      v_draft.fields := v_draft.fields || v_columns;
    end if;
    if v_entry.action <> 'UPDATE' then
      v_is_past := true;
      v_draft.fields := null;
    end if;
    v_draft.left_exact := case
      when v_entry.action = 'UPDATE' then v_draft.left_exact || audit.some_of_image(v_new_exact, v_entry.changed_fields)
      else v_new_exact
    end;
    v_draft.left_image := audit.overlay_image(v_draft.left_image, coalesce(v_entry.new_values, 'null'));
    if v_entry.is_last then
      update pg_temp.restore_draft
      set
        target = v_draft.target, exact = nullif(v_draft.exact, '{}'), fields = v_draft.fields, conflict = v_draft.conflict,
        left_image = v_draft.left_image, left_exact = nullif(jsonb_strip_nulls(v_draft.left_exact), '{}')
      where draft_id = v_entry.draft_id;
    end if;
  end loop;
end
$$;
comment on function audit.undo_each() is 'Undoes the changes of records that were changed several times, column by column; for draft_rows().';
