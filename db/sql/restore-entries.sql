-- The entries to undo, by what is to be restored. Each returns how many it found.
create or replace function audit.draft_since(p_relation oid, p_at timestamptz) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into pg_temp.restore_entries
  select l.id, l.created_at, t.relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from audit.tracked_tables t
  join audit.audit_logs l on l.table_name = t.table_name and l.table_schema = t.table_schema
  where t.relation = p_relation and l.created_at > p_at;
  get diagnostics v_count = row_count;
  -- A transaction that was under way at that time would be undone by half.
  insert into pg_temp.restore_problems (severity, code, relation, detail)
  select 'loss', 'transaction_split', p_relation, jsonb_build_object('transactionId', s.txid::text, 'until', s.until)
  from (
    select e.txid, max(e.created_at) as until
    from pg_temp.restore_entries e
    where e.relation = p_relation and e.created_at < p_at + interval '1 hour'
    group by e.txid
    order by min(e.created_at)
    limit 1000
  ) s
  where exists (select from audit.audit_logs l where l.txid = s.txid and l.created_at <= p_at)
  order by s.until, s.txid
  limit 20;
  return v_count;
end
$$;
comment on function audit.draft_since(oid, timestamptz) is 'Drafts to undo every change of a table after a time.';

create or replace function audit.draft_transaction(p_txid xid8) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into pg_temp.restore_entries
  select l.id, l.created_at, t.relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from audit.audit_logs l
  -- A dropped table's history is not that of one which has its name by now.
  join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
    and t.tracked_at <= l.created_at and exists (select from pg_class c where c.oid = t.relation)
  where l.txid = p_txid;
  get diagnostics v_count = row_count;
  update pg_temp.restore_progress set txid = p_txid
  -- What a table was tracked for before it was tracked again is not drafted here.
  where not exists (
    select from audit.audit_logs l
    join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
    where l.txid = p_txid and l.created_at < t.tracked_at
  );
  return v_count;
end
$$;
comment on function audit.draft_transaction(xid8) is 'Drafts to undo what one transaction did.';

create or replace function audit.draft_actor(p_user_id text, p_from timestamptz, p_to timestamptz, p_relations oid[]) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into pg_temp.restore_entries
  select l.id, l.created_at, t.relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from audit.audit_logs l
  -- A dropped table's history is not that of one which has its name by now.
  join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
    and t.tracked_at <= l.created_at and exists (select from pg_class c where c.oid = t.relation)
  where l.user_id = p_user_id and l.created_at >= p_from and l.created_at < p_to
    and (p_relations is null or t.relation = any (p_relations));
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function audit.draft_actor(text, timestamptz, timestamptz, oid[]) is 'Drafts to undo what one user did in a window of time.';

-- p_entry: as that change found the record; p_at: as it was then; neither: as its last change found it.
create or replace function audit.draft_record(p_relation oid, p_record_id text, p_entry bigint, p_at timestamptz) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table audit.tracked_tables;
  v_entry audit.audit_logs;
  v_key text := p_record_id;
begin
  select * into strict v_table from audit.tracked_tables where relation = p_relation;
  if p_at is null then
    select l.* into v_entry
    from (
      (select * from audit.audit_logs l
       where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.record_id = v_key
         and (p_entry is null or l.id = p_entry)
       order by l.id desc limit 1)
      union all
      (select * from audit.audit_logs l
       where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.new_record_id = v_key
         and (p_entry is null or l.id = p_entry)
       order by l.id desc limit 1)
    ) l
    order by l.id desc
    limit 1;
  else
    -- A row that came to this key after the time had another one then.
    loop
      select l.* into v_entry
      from (
        (select * from audit.audit_logs l
         where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.record_id = v_key and l.created_at > p_at
         order by l.id limit 1)
        union all
        (select * from audit.audit_logs l
         where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.new_record_id = v_key and l.created_at > p_at
         order by l.id limit 1)
      ) l
      order by l.id
      limit 1;
      exit when v_entry.id is null or v_entry.record_id = v_key;
      v_key := v_entry.record_id;
    end loop;
  end if;
  if v_entry.id is null then
    return null;
  end if;
  insert into pg_temp.restore_entries
  with recursive keys (record_id) as (
    select v_entry.record_id
    union
    select l.new_record_id
    from keys k
    join audit.audit_logs l on l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema
      and l.record_id = k.record_id and l.id >= v_entry.id and l.new_record_id is not null
  )
  select l.id, l.created_at, p_relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from keys k
  join audit.audit_logs l on l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema
    and l.record_id = k.record_id and l.id >= v_entry.id;
  return v_entry.record_id;
end
$$;
comment on function audit.draft_record(oid, text, bigint, timestamptz) is
  'Drafts to undo a record''s changes from a point on; returns its key at the point, null when the history has no such change.';
