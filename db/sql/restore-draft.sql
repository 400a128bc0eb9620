-- A plan is drafted in temporary tables of one transaction: the history's entries that are to be undone, then one row per
-- record with its state at the point to return to, then the live rows they meet. None of it outlives the transaction.
create or replace function audit.begin_restore_draft() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform audit.pin_restore_session();
  create temp table restore_entries (
    id bigint not null,
    created_at timestamptz not null,
    relation oid not null,
    record_id text not null,
    new_record_id text,
    action text not null,
    changed_fields text[],
    txid xid8 not null,
    old_values jsonb,
    new_values jsonb,
    exact_values jsonb,
    -- The record's first entry here, where its key alone does not tell which record it is.
    first_id bigint
  ) on commit drop;
  create temp table restore_draft (
    draft_id int generated always as identity primary key,
    relation oid not null,
    -- The key at the point, and the key under which the row may live now.
    record_id text not null,
    live_record_id text not null,
    is_live boolean not null default true,
    -- Another row has its key by now, which moves away: not looked up.
    is_anew boolean not null default false,
    -- Whether there was a row at the point; its image.
    is_there boolean not null,
    entry_id bigint,
    entry_at timestamptz,
    target jsonb,
    exact jsonb,
    -- The transaction that took the row away with that entry.
    removed_by xid8,
    -- The columns to set back; null is the whole row.
    fields text[],
    -- What the undone changes left, to see whether somebody changed it since; null is not asked.
    left_image jsonb,
    left_exact jsonb,
    -- The columns that the history did not keep.
    hidden jsonb not null default '[]',
    origin text not null default 'target',
    -- What to do, in which order.
    action text not null default 'insert',
    columns text[],
    is_early boolean not null default false,
    level int,
    is_cyclic boolean not null default false,
    conflict text
  ) on commit drop;
  -- The transactions that took drafted rows away, and the rows as they were then where that is not the target.
  create temp table restore_removals (
    draft_id int not null,
    txid xid8 not null,
    image jsonb
  ) on commit drop;
  -- What is to be done with how many rows of which table.
  create temp table restore_actions (
    relation oid not null,
    action text not null,
    row_count int not null
  ) on commit drop;
  -- Which table's rows come, or go, before which.
  create temp table restore_ranks (
    relation oid not null,
    action text not null,
    rank int not null
  ) on commit drop;
  -- The last drafted row whose live row was looked up, and whose children were; the transaction that is undone as a whole.
  create temp table restore_progress (matched_to int not null, expanded_to int not null, txid xid8) on commit drop;
  insert into pg_temp.restore_progress values (0, 0, null);
  create temp table restore_live (
    draft_id int primary key,
    record_id text not null,
    image jsonb not null,
    exact jsonb,
    digest bytea not null
  ) on commit drop;
  create temp table restore_problems (
    severity text not null,
    code text not null,
    relation oid,
    record_id text,
    detail jsonb not null default '{}'
  ) on commit drop;
end
$$;
comment on function audit.begin_restore_draft() is 'Makes the temporary tables in which a restore is planned; once per transaction.';

-- Texts of values depend on these settings; images were written under them.
create or replace function audit.pin_restore_session() returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  select
    set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true), set_config('timezone', 'UTC', true),
    set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true), set_config('lc_monetary', 'C', true),
    set_config('xmloption', 'content', true), set_config('work_mem', '64MB', true), set_config('jit', 'off', true),
    -- Temporary tables are analyzed for the numbers of their rows, not to the last value.
    set_config('default_statistics_target', '10', true),
    -- Rows are found by their keys, on disks where that is cheap.
    set_config('random_page_cost', '1.1', true)
$$;
comment on function audit.pin_restore_session() is 'Sets, for this transaction, what the text of a value depends on.';

create or replace function audit.restore_columns(p_relation oid)
returns table (
  name text, type text, fidelity text, key_position int, is_writable boolean, is_hidden boolean, is_fixed_identity boolean,
  is_required boolean
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.name, format_type(a.atttypid, a.atttypmod), c.fidelity, c.key_position,
    a.attgenerated = '' and not c.is_excluded and not c.is_redacted,
    a.attgenerated = '' and (c.is_excluded or c.is_redacted),
    a.attidentity = 'a',
    a.attnotnull and not a.atthasdef and a.attidentity = ''
  from audit.captured_columns(p_relation) c
  join pg_attribute a on a.attrelid = p_relation and a.attname = c.name and not a.attisdropped
$$;
comment on function audit.restore_columns(oid) is
  'The columns of a tracked table for a restore: which can be written, which the history hides, which an INSERT must name.';

-- SQL that finds the row of p_relation called p_row whose record_id is the SQL p_key.
create or replace function audit.key_match_sql(p_relation oid, p_row text, p_key text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select case count(*)
    when 1 then min(format('%s.%I = (%s)::%s', p_row, c.name, p_key, c.type))
    else string_agg(
      format('%s.%I = ((%s)::jsonb ->> %s)::%s', p_row, c.name, p_key, c.key_position - 1, c.type), ' and ' order by c.key_position
    )
  end
  from audit.restore_columns(p_relation) c
  where c.key_position is not null
);
comment on function audit.key_match_sql(oid, text, text) is 'SQL that is true where a row has the key that a record_id says; an index on the key serves it.';

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
  update pg_temp.restore_progress set txid = p_txid;
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
