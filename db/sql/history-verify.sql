-- Whether records can be rebuilt at every point since their table is tracked: each entry must have found a record as the
-- entry before left it, and the row that is there now must be as the last one left it. A record's first entry may find
-- anything, because rows may be older than the tracking.
--
-- Catalog rows name the transaction that wrote them last, which dates the last change of a column or of the options.
create or replace function audit.txid_of(p_xid xid) returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select n.txid - ((n.txid - p_xid::text::bigint) & 4294967295)
  from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as txid) n
);
comment on function audit.txid_of(xid) is
  'The 64-bit number of a past transaction from the 32 bits that a catalog row keeps; too late by a multiple of 2^32 for a very old one.';

create or replace function audit.verified_columns(p_relation oid) returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select jsonb_object_agg(
    c.name,
    jsonb_build_object(
      'type', a.atttypid,
      'ignored', c.is_ignored,
      -- A label of an enum that is renamed changes in every row at once.
      'altered', greatest(
        audit.txid_of(a.xmin), (select max(audit.txid_of(e.xmin)) from pg_enum e where e.enumtypid = a.atttypid)
      )
    )
  )
  from audit.captured_columns(p_relation) c
  join pg_attribute a on a.attrelid = p_relation and a.attname = c.name
  where not c.is_excluded
);
comment on function audit.verified_columns(oid) is
  'Per recorded column its type, whether changes of it alone go unrecorded, and the transaction that altered it last.';

-- Images hold times with the offset, and bytes in the form, that the writing session asked for.
create or replace function audit.same_value(p_type oid, p_one text, p_other text) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_same boolean;
begin
  if p_one is null or p_other is null then
    return p_one is null and p_other is null;
  end if;
  execute format('select record_image_eq(row($1::%1$s), row($2::%1$s))', format_type(p_type, -1)) into v_same using p_one, p_other;
  return v_same;
exception
  when others then
    return false;
end
$$;
comment on function audit.same_value(oid, text, text) is 'Whether two texts are the same value of a type; false where one is none.';

create or replace function audit.row_by_key_sql(p_relation oid, p_record text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  with keys as (
    select
      'k' || c.key_position as name, a.attname, format_type(a.atttypid, -1) as type, c.key_position as position,
      case
        when count(*) over () > 1 then format('%s::jsonb -> %s', p_record, c.key_position - 1)
        else format('to_jsonb(%s)', p_record)
      end as value,
      -- An extension's type has its operator in another schema.
      (
        select format('operator(%I.%s)', n.nspname, o.oprname)
        from pg_opclass k
        join pg_am m on m.oid = k.opcmethod and m.amname = 'btree'
        join pg_amop s on s.amopfamily = k.opcfamily and s.amoplefttype = k.opcintype and s.amoprighttype = k.opcintype and s.amopstrategy = 3
        join pg_operator o on o.oid = s.amopopr
        join pg_namespace n on n.oid = o.oprnamespace
        where k.opcdefault and k.opcintype = t.oid
      ) as equals
    from audit.captured_columns(p_relation) c
    join pg_attribute a on a.attrelid = p_relation and a.attname = c.name
    join pg_type b on b.oid = a.atttypid
    join pg_type t on t.oid = case when b.typtype = 'd' then b.typbasetype else b.oid end
    where c.key_position is not null
  )
  select format(
    'jsonb_to_record(jsonb_build_object(%s)) as __k (%s) join %s __t on %s',
    string_agg(format('%L, %s', k.name, k.value), ', '),
    string_agg(format('%s %s', k.name, k.type), ', '),
    p_relation::regclass,
    string_agg(format('__t.%I %s __k.%s', k.attname, coalesce(k.equals, 'operator(pg_catalog.=)'), k.name), ' and ')
  )
  from keys k
);
comment on function audit.row_by_key_sql(oid, text) is
  'SQL of a from clause that finds the row __t of a record_id by the table''s index.';

-- One statement, so that entries and rows are of one moment. Within a transaction the order of a record's entries may be
-- another than that of its changes (a trigger that updates its own table is recorded before what fired it): then they
-- still link up, from the one state that none of them left to the one that none of them found.
create or replace function audit.history_breaks(p_table regclass, p_record_ids text[], p_since bigint default 0)
returns table (record_id text, entry_id bigint, kind text, fields text[], explained_by text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set timezone = 'UTC'
set lc_monetary = 'C'
set bytea_output = 'hex'
as $$
declare
  v_form constant text := $form$
with entries as (
  select
    l.record_id as record, l.id, l.txid::text::bigint as txid, l.created_at,
    case when l.action <> 'INSERT' then
      jsonb_build_object('image', l.old_values, 'exact', coalesce(l.exact_values -> 'old', '{}'))
    end as found,
    case when l.action in ('INSERT', 'UPDATE') and l.new_record_id is null then
      jsonb_build_object(
        'image', coalesce(l.old_values, '{}') || l.new_values,
        'exact', coalesce(l.exact_values -> 'old', '{}') - coalesce(l.changed_fields, '{}') || coalesce(l.exact_values -> 'new', '{}')
      )
    end as made,
    l.action <> 'INSERT' and l.old_values is null or l.action in ('INSERT', 'UPDATE') and l.new_values is null as lacks_image
  from audit.audit_logs l
  where l.table_name = $3 and l.table_schema = $2 and l.created_at >= $4 and l.record_id = any ($1) and l.id >= $7
  union all
  select
    l.new_record_id, l.id, l.txid::text::bigint, l.created_at,
    null,
    jsonb_build_object(
      'image', l.old_values || l.new_values,
      'exact', coalesce(l.exact_values -> 'old', '{}') - coalesce(l.changed_fields, '{}') || coalesce(l.exact_values -> 'new', '{}')
    ),
    false
  from audit.audit_logs l
  where l.table_name = $3 and l.table_schema = $2 and l.created_at >= $4 and l.new_record_id = any ($1) and l.id >= $7
  union all
  -- What is there now comes last, as if an entry had found it.
  select __r.record, null, null, null, __l.state, null, false
  from unnest($1) __r (record)
  left join lateral (
    select jsonb_build_object('image', %1$s, 'exact', coalesce(%2$s, '{}')) as state from %3$s
  ) __l on true
),
links as (
  select
    e.*, lag(e.id) over w as last_id, lag(e.txid) over w as last_txid, lag(e.created_at) over w as last_at,
    lag(e.made) over w as last_made
  from entries e
  window w as (partition by e.record order by e.id)
),
unlinked as (
  select distinct k.record, k.txid from links k where k.txid = k.last_txid and k.found is distinct from k.last_made
),
reordered as (
  select
    s.record, s.txid,
    (array_agg(s.state) filter (where s.surplus = 1))[1] as found,
    (array_agg(s.state) filter (where s.surplus = -1))[1] as made
  from (
    select s.record, s.txid, s.state, sum(s.side) as surplus
    from (
      select e.record, e.txid, e.found as state, 1 as side from unlinked u join entries e using (record, txid)
      union all
      select e.record, e.txid, e.made, -1 from unlinked u join entries e using (record, txid)
    ) s
    group by 1, 2, 3
    having sum(s.side) <> 0
  ) s
  group by 1, 2
  having count(*) = 2 and min(s.surplus) = -1 and max(s.surplus) = 1
),
unequal as materialized (
  select k.*, r.record is not null and k.txid = k.last_txid as is_reordered, c.made as expected, c.found as seen
  from links k
  left join reordered r on r.record = k.record and r.txid = k.txid
  left join reordered b on b.record = k.record and b.txid = k.last_txid
  cross join lateral (
    select
      case when r.record is null or k.txid = k.last_txid then k.found else r.found end as found,
      case when b.record is null or k.txid = k.last_txid then k.last_made else b.made end as made
  ) c
  where k.lacks_image or k.last_id is not null and c.found is distinct from c.made
),
compared as materialized (
  select
    u.*,
    (
      select array_agg(f.name order by f.name)
      from (
        select
          name, m.value as made, n.value as found, $5 -> name as now,
          u.expected -> 'exact' ->> name as exactly_made, u.seen -> 'exact' ->> name as exactly_found
        from jsonb_each(nullif(u.expected -> 'image', 'null')) m (name, value)
        full join jsonb_each(nullif(u.seen -> 'image', 'null')) n (name, value) using (name)
      ) f
      where u.expected is not null and u.seen is not null and case
        -- A column on one side alone was added, dropped, renamed or excluded between the two: unless it has been there, and
        -- recorded, since before the side that lacks it.
        when f.made is null or f.found is null then
          (f.now ->> 'altered')::bigint < case when f.made is null then u.last_txid else u.txid end
          and $6 < case when f.made is null then u.last_txid else u.txid end
        when f.made = f.found and f.exactly_made is not distinct from f.exactly_found then false
        when (f.now ->> 'ignored')::boolean then false
        when '"[redacted]"' in (f.made, f.found) then 'null' in (f.made, f.found)
        -- Of what is no column any more the type is forgotten; times are what differs without a change.
        else not audit.same_value(
          coalesce((f.now ->> 'type')::oid, 'timestamptz'::regtype),
          coalesce(f.exactly_made, f.made #>> '{}'), coalesce(f.exactly_found, f.found #>> '{}')
        )
      end
    ) as fields
  from unequal u
)
select coalesce(jsonb_agg(jsonb_build_object(
  'record_id', c.record,
  'entry_id', coalesce(c.id, c.last_id),
  'kind', case
    when c.lacks_image then 'image'
    when c.id is null then 'live'
    when c.is_reordered then 'order'
    when (c.seen is null) <> (c.expected is null) then 'gap'
    else 'image'
  end,
  'fields', c.fields,
  'explained_by', case when not c.is_reordered and not c.lacks_image then coalesce(
    (
      select g.reason
      from audit.capture_gaps g
      where g.table_schema = $2 and g.table_name = $3 and g.began_at <= coalesce(c.created_at, 'infinity')
        -- Of the errors in a minute the first alone is noted.
        and coalesce(greatest(g.ended_at, case g.reason when 'error' then g.began_at + interval '1 minute' end), 'infinity') >= c.last_at
      order by g.began_at
      limit 1
    ),
    (
      select 'columns'
      from unnest(c.fields) f (name)
      having bool_and(
        ($5 -> f.name ->> 'altered')::bigint > c.last_txid
        and (c.txid is null or ($5 -> f.name ->> 'altered')::bigint <= c.txid)
      )
    )
  ) end
) order by c.record, c.id), '[]')
from compared c
where c.lacks_image or (c.seen is null) <> (c.expected is null) or c.fields is not null
$form$;
  v_table audit.tracked_tables;
  v_options bigint;
  v_columns jsonb;
  v_found jsonb;
begin
  select * into v_table from audit.tracked_tables t where t.relation = p_table and t.relation = t.root;
  if not found then
    raise exception '% is not tracked', p_table
      using errcode = 'object_not_in_prerequisite_state', hint = 'Track it first: npx afterimage track.';
  end if;
  select audit.txid_of(t.xmin) into v_options from audit.tracked_tables t where t.relation = p_table;
  v_columns := audit.verified_columns(p_table);
  begin
    execute format(
      v_form, audit.image_sql(p_table, '__t'), coalesce(audit.exact_sql(p_table, '__t'), 'null'),
      audit.row_by_key_sql(p_table, '__r.record')
    ) into v_found using p_record_ids, v_table.table_schema, v_table.table_name, v_table.tracked_at, v_columns, v_options, p_since;
  exception
    -- A record_id that is no value of the key's type, because that was another, or is an array: the whole table is read.
    when data_exception then
      execute format(
        v_form, audit.image_sql(p_table, '__t'), coalesce(audit.exact_sql(p_table, '__t'), 'null'),
        format('%s __t where %s = __r.record', p_table, audit.record_key_sql(p_table, '__t'))
      ) into v_found using p_record_ids, v_table.table_schema, v_table.table_name, v_table.tracked_at, v_columns, v_options, p_since;
  end;
  return query
    select b.record_id, b.entry_id, b.kind, b.fields, b.explained_by
    from jsonb_to_recordset(v_found) b (record_id text, entry_id bigint, kind text, fields text[], explained_by text);
end
$$;
comment on function audit.history_breaks(regclass, text[], bigint) is
  'Where the chain of images of these records of a tracked table breaks, from the entry p_since on: gap (an entry is missing), image (it found another row than the one before left), live (the row of today is another than the last left) or order (entries of one transaction stand in another order than its changes); explained_by says off, error or columns where a gap in the capture or an altered column explains it.';
