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
    exact_values jsonb
  ) on commit drop;
  create temp table restore_draft (
    draft_id int generated always as identity primary key,
    relation oid not null,
    -- The key at the point, and the key under which the row may live now.
    record_id text not null,
    live_record_id text not null,
    is_live boolean not null default true,
    -- Whether there was a row at the point; its image.
    is_there boolean not null,
    entry_id bigint,
    entry_at timestamptz,
    target jsonb,
    exact jsonb,
    -- The columns to set back; null is the whole row.
    fields text[],
    -- What the undone changes left, to see whether somebody changed it since; null is not asked.
    left_image jsonb,
    removed_txid xid8,
    origin text not null default 'target',
    is_matched boolean not null default false,
    is_expanded boolean not null default false,
    -- What to do, in which order.
    action text,
    columns text[],
    is_early boolean not null default false,
    rank int not null default 0,
    level int,
    is_cyclic boolean not null default false,
    conflict text
  ) on commit drop;
  create unique index on pg_temp.restore_draft (relation, record_id) where is_there;
  create index on pg_temp.restore_draft (relation, live_record_id);
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
    set_config('xmloption', 'content', true), set_config('work_mem', '64MB', true),
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
  join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
  where l.txid = p_txid;
  get diagnostics v_count = row_count;
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
  join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
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
  v_record_id text := p_record_id;
begin
  select * into strict v_table from audit.tracked_tables where relation = p_relation;
  select * into v_entry
  from (
    (select * from audit.audit_logs l
     where l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.record_id = p_record_id
       and (p_entry is null or l.id = p_entry) and (p_at is null or l.created_at > p_at)
     order by case when p_at is null then -l.id else l.id end limit 1)
    union all
    (select * from audit.audit_logs l
     where l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.new_record_id = p_record_id
       and p_at is null and (p_entry is null or l.id = p_entry)
     order by l.id desc limit 1)
  ) l
  order by case when p_at is null then -l.id else l.id end
  limit 1;
  if v_entry.id is null then
    return null;
  end if;
  v_record_id := v_entry.record_id;
  insert into pg_temp.restore_entries
  with recursive keys (record_id) as (
    select v_record_id
    union
    select l.new_record_id
    from keys k
    join audit.audit_logs l on l.table_name = v_table.table_name and l.table_schema = v_table.table_schema
      and l.record_id = k.record_id and l.id >= v_entry.id and l.new_record_id is not null
  )
  select l.id, l.created_at, p_relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from keys k
  join audit.audit_logs l on l.table_name = v_table.table_name and l.table_schema = v_table.table_schema
    and l.record_id = k.record_id and l.id >= v_entry.id;
  return v_record_id;
end
$$;
comment on function audit.draft_record(oid, text, bigint, timestamptz) is
  'Drafts to undo a record''s changes from a point on; returns its key at the point, null when the history has no such change.';

-- p_undo: only the columns that the entries changed go back, and what was changed since is a conflict.
create or replace function audit.draft_rows(p_undo boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_relation oid;
begin
  create index on pg_temp.restore_entries (relation, record_id, id);
  analyze pg_temp.restore_entries;
  for v_relation in select distinct relation from pg_temp.restore_entries order by 1 loop
    if exists (select from pg_temp.restore_entries where relation = v_relation and new_record_id is not null) then
      perform audit.replay_entries(v_relation, p_undo);
    else
      insert into pg_temp.restore_draft (
        relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, left_image, fields, removed_txid
      )
      select
        v_relation, e.record_id, e.record_id, f.action <> 'INSERT', f.id, f.created_at, f.old_values,
        nullif(f.exact_values -> 'old', 'null'),
        case
          when not p_undo then null
          when l.action in ('DELETE', 'TRUNCATE') then 'null'
          else coalesce(l.old_values, '{}') || l.new_values
        end,
        case when p_undo and e.is_update then e.fields end, e.removed_txid
      from (
        select
          m.record_id, min(m.id) as first_id, max(m.id) as last_id, bool_and(m.action = 'UPDATE') as is_update,
          array_agg(distinct c.field) filter (where c.field is not null) as fields,
          (array_agg(m.txid order by m.id desc) filter (where m.action in ('DELETE', 'TRUNCATE')))[1] as removed_txid
        from pg_temp.restore_entries m
        left join lateral unnest(case when p_undo then m.changed_fields end) c (field) on true
        where m.relation = v_relation
        group by m.record_id
      ) e
      join pg_temp.restore_entries f on f.relation = v_relation and f.record_id = e.record_id and f.id = e.first_id
      join pg_temp.restore_entries l on l.relation = v_relation and l.record_id = e.record_id and l.id = e.last_id;
    end if;
  end loop;
  analyze pg_temp.restore_draft;
end
$$;
comment on function audit.draft_rows(boolean) is 'Makes of the drafted entries one row per record: its state before the first of them.';

-- Where keys change, a record is followed from one to the next; what is found is what the entries in their order made.
create or replace function audit.replay_entries(p_relation oid, p_undo boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entry record;
  v_draft int;
begin
  for v_entry in select * from pg_temp.restore_entries where relation = p_relation order by id loop
    select draft_id into v_draft
    from pg_temp.restore_draft
    where relation = p_relation and live_record_id = v_entry.record_id and is_live;
    if v_draft is null then
      if v_entry.action = 'INSERT' then
        -- The same key again after its row went: one record.
        select draft_id into v_draft
        from pg_temp.restore_draft
        where relation = p_relation and record_id = v_entry.record_id and is_there and not is_live;
      end if;
      if v_draft is null then
        insert into pg_temp.restore_draft (relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, fields)
        values (
          p_relation, v_entry.record_id, v_entry.record_id, v_entry.action <> 'INSERT', v_entry.id, v_entry.created_at,
          v_entry.old_values, nullif(v_entry.exact_values -> 'old', 'null'), case when p_undo then '{}'::text[] end
        )
        returning draft_id into v_draft;
      end if;
    end if;
    update pg_temp.restore_draft
    set
      is_live = v_entry.action not in ('DELETE', 'TRUNCATE'),
      live_record_id = coalesce(v_entry.new_record_id, v_entry.record_id),
      left_image = case
        when not p_undo then null
        when v_entry.action in ('DELETE', 'TRUNCATE') then 'null'
        else coalesce(v_entry.old_values, '{}') || v_entry.new_values
      end,
      removed_txid = case when v_entry.action in ('DELETE', 'TRUNCATE') then v_entry.txid else removed_txid end,
      fields = case
        when v_entry.action = 'UPDATE' and fields is not null
        then array(select unnest(fields) union select unnest(v_entry.changed_fields))
      end
    where draft_id = v_draft;
  end loop;
  -- A row that is gone is looked for under the key it had; one that took its place meanwhile is that row's successor.
  update pg_temp.restore_draft set live_record_id = record_id where relation = p_relation and not is_live;
  delete from pg_temp.restore_draft d
  where d.relation = p_relation and not d.is_there and exists (
    select from pg_temp.restore_draft o
    where o.relation = p_relation and o.is_there and not o.is_live and o.live_record_id = d.live_record_id
  );
end
$$;
comment on function audit.replay_entries(oid, boolean) is 'Follows the records of a table through changes of their keys; for draft_rows().';

-- What a restore did, the other way round: inserted rows go, others are as its snapshot has them.
create or replace function audit.draft_rollback(p_run uuid) returns int
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count int;
begin
  insert into pg_temp.restore_draft (
    relation, record_id, live_record_id, is_there, target, exact, fields, left_image
  )
  select
    i.relation, coalesce(i.live_record_id, i.record_id), i.record_id, s.position is not null, s.image, s.exact,
    case when i.action <> 'delete' and s.position is not null then coalesce(i.columns, array(select jsonb_object_keys(i.target))) end,
    case i.action
      when 'insert' then i.target
      when 'update' then (select jsonb_object_agg(c, i.target -> c) from unnest(i.columns) c)
      else 'null'
    end
  from audit.restore_items i
  join audit.restore_outcomes o on o.run_id = i.run_id and o.position = i.position and o.outcome = 'applied'
  left join audit.restore_snapshot_rows s on s.run_id = i.run_id and s.position = i.position
  where i.run_id = p_run;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function audit.draft_rollback(uuid) is 'Drafts to undo what a restore applied, from its snapshot; returns how many rows.';
