-- Draft and live rows meet.
create or replace function audit.row_digest_sql(p_row text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('sha256(convert_to((%s)::text, ''UTF8''))', p_row);
comment on function audit.row_digest_sql(text) is 'SQL for a digest of a whole row, hidden columns included: whether it is still the one that was looked at.';

create or replace function audit.match_live_rows() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
  v_from constant int := (select matched_to from pg_temp.restore_progress);
begin
  for v_relation in select distinct relation from pg_temp.restore_draft where draft_id > v_from order by 1 loop
    begin
      if audit.key_match_sql(v_relation, '__t', '__d.live_record_id') is null then
        raise exception 'The key is gone' using errcode = 'undefined_column';
      end if;
      execute format(
        'insert into pg_temp.restore_live (draft_id, record_id, image, exact, digest) '
        'select __d.draft_id, %s, %s, %s, %s '
        'from pg_temp.restore_draft __d join %s __t on %s '
        'where __d.relation = %s and __d.draft_id > $1 and not __d.is_anew',
        audit.record_key_sql(v_relation, '__t'), audit.image_sql(v_relation, '__t'),
        coalesce(audit.exact_sql(v_relation, '__t'), 'null'), audit.row_digest_sql('__t'),
        v_relation::regclass, audit.key_match_sql(v_relation, '__t', '__d.live_record_id'), v_relation
      ) using v_from;
    exception
      -- The keys of the history are no keys of today: another type, or other columns.
      when data_exception or undefined_column then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'key_changed', v_relation, jsonb_build_object('sqlstate', sqlstate));
        delete from pg_temp.restore_draft where relation = v_relation and draft_id > v_from;
    end;
  end loop;
  update pg_temp.restore_progress set matched_to = (select coalesce(max(draft_id), 0) from pg_temp.restore_draft);
  analyze pg_temp.restore_live (draft_id, record_id);
end
$$;
comment on function audit.match_live_rows() is 'Looks up the live row of each drafted record that was not looked up yet.';

-- What the undone changes left against what is there now.
create or replace function audit.mark_changed_since() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update pg_temp.restore_draft d
  set conflict = 'changed_since'
  from pg_temp.restore_live r
  where r.draft_id = d.draft_id and d.conflict is null and d.left_image is not null and case
      when d.left_image = 'null' then true
      when d.left_image::text = r.image::text and d.left_exact is not distinct from r.exact then false
      else exists (
        select from jsonb_each(d.left_image) f
        where (d.fields is null or f.key = any (d.fields)) and r.image ? f.key
          and (f.value::text is distinct from (r.image -> f.key)::text or d.left_exact ->> f.key is distinct from r.exact ->> f.key)
      )
    end;
  update pg_temp.restore_draft d
  set conflict = 'changed_since'
  where d.is_there and d.conflict is null and d.left_image <> 'null'
    and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
end
$$;
comment on function audit.mark_changed_since() is 'Marks the drafted rows that somebody changed after the changes that are to be undone.';

-- At a rollback: what the restore changed, its own triggers included, nobody changed since if its entry is the last.
create or replace function audit.forgive_changes_of(p_run uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  update pg_temp.restore_draft d
  set conflict = null
  from audit.tracked_tables t
  where d.conflict = 'changed_since' and t.relation = d.relation and p_run = (
    select l.restore_id
    from (
      (
        select l.id, l.restore_id from audit.audit_logs l
        where l.table_name = t.table_name and l.table_schema = t.table_schema and l.record_id = d.live_record_id
        order by l.id desc limit 1
      )
      union all
      -- A row whose key the restore set back stands in the history under the key that it had before.
      (
        select l.id, l.restore_id from audit.audit_logs l
        where l.table_name = t.table_name and l.table_schema = t.table_schema and l.new_record_id = d.live_record_id
        order by l.id desc limit 1
      )
    ) l
    order by l.id desc limit 1
  );
end
$$;
comment on function audit.forgive_changes_of(uuid) is 'Takes the mark off rows that nothing but this restore has changed.';
