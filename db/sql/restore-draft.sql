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
    -- What to do, unless its live row says otherwise.
    action text not null default 'insert',
    columns text[],
    -- Its place where rows are ordered one by one, and the circle of rows in which it waits for itself.
    level int,
    circle int,
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
  -- Who is to have a unique value that another drafted row has until it goes or changes.
  create temp table restore_takes (taker int not null, giver int not null, index_name text not null, is_hard boolean not null) on commit drop;
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

-- Texts of values depend on the first of these settings, under which images were written; the others are for plans over
-- temporary tables and rows that are looked up by their keys.
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
