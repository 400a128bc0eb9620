-- Values that are to be one row's alone: another row holds them by now, or two rows are to have them.

-- A holder that itself goes, or gets another value, does so first: order_rows() sees to that.
create or replace function audit.check_unique() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_index record;
begin
  for v_index in
    select i.indrelid as relation, i.indexrelid::regclass::text as name, i.indimmediate as is_hard, i.indnullsnotdistinct as is_null_equal, c.columns
    from (select distinct relation from pg_temp.restore_actions where action in ('insert', 'update')) r
    join pg_index i on i.indrelid = r.relation and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    cross join lateral (
      select array_agg(a.attname::text order by k.o) as columns
      from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k (n, o)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n
    ) c
    where not exists (
      select from pg_temp.restore_problems p where p.relation = i.indrelid and p.code = 'column_retyped' and p.severity = 'blocking'
    )
    and (select count(*) from audit.restore_columns(i.indrelid) w where w.is_writable and w.name = any (c.columns)) = cardinality(c.columns)
    and not audit.keys_are_known_free(i.indrelid, c.columns)
    order by 1, 2
  loop
    perform audit.note_holders(v_index.relation, v_index.name, v_index.columns, v_index.is_hard, v_index.is_null_equal);
  end loop;
end
$$;
comment on function audit.check_unique() is 'Notes drafted rows whose unique values other rows hold, and who hands them over to whom.';

-- Live rows were looked up by their keys: where every row keeps the key that it was looked up under, no two have the same, and
-- equal keys have equal texts, nothing is left to ask.
create or replace function audit.keys_are_known_free(p_relation oid, p_columns text[]) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys constant text[] := array(
    select c.name from audit.restore_columns(p_relation) c where c.key_position is not null order by c.key_position
  );
  v_is_free boolean;
begin
  if not (v_keys @> p_columns and v_keys <@ p_columns) or exists (
    select from pg_attribute a
    where a.attrelid = p_relation and a.attname = any (v_keys) and (
      a.atttypid <> all ('{int2,int4,int8,uuid,text,varchar}'::regtype[])
      or exists (select from pg_collation o where o.oid = a.attcollation and not o.collisdeterministic)
    )
  ) then
    return false;
  end if;
  execute format(
    'select not exists ('
      'select from pg_temp.restore_draft d where d.relation = $1 and d.is_there and ('
        'd.record_id <> d.live_record_id or d.is_anew or d.action = ''update'' and d.columns && $2 '
        -- Under another type the key had another text.
        'or d.record_id is distinct from %s'
      ')'
    ') and not exists ('
      'select from pg_temp.restore_draft d where d.relation = $1 and d.is_there group by d.record_id having count(*) > 1'
    ')',
    case cardinality(v_keys)
      when 1 then format('d.target ->> %L', v_keys[1])
      else 'jsonb_build_array(' || (select string_agg(format('d.target -> %L', c), ', ' order by o) from unnest(v_keys) with ordinality k (c, o)) || ')::text'
    end
  ) into v_is_free using p_relation, p_columns;
  return v_is_free;
end
$$;
comment on function audit.keys_are_known_free(oid, text[]) is 'Whether a unique index on the key can hold no surprise for the drafted rows.';

create or replace function audit.note_holders(p_relation oid, p_index text, p_columns text[], p_is_hard boolean, p_is_null_equal boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_names constant text := (select string_agg(format('%I', c), ', ' order by c) from unnest(p_columns) c);
begin
  -- What each row will have there.
  execute format(
    $sql$
create temp table restore_values on commit drop as
select __d.draft_id as __draft, __d.record_id as __key, __l.record_id as __live_key, %1$s
from pg_temp.restore_draft __d
left join pg_temp.restore_live __l on __l.draft_id = __d.draft_id
cross join lateral jsonb_to_record(
  case when __d.action = 'insert' then __d.target else __l.image || audit.some_of_image(__d.target, __d.columns) end
) as %2$s
where __d.relation = %3$s and (__d.action = 'insert' and __d.target ?& %4$L::text[] or __d.action = 'update' and __d.columns && %4$L::text[])
$sql$,
    (select string_agg(format('(%s) as %I', audit.image_value_sql(p_relation, c, '__d.exact'), c), ', ' order by c) from unnest(p_columns) c),
    audit.image_record_sql(p_relation, p_columns), p_relation, p_columns
  );
  analyze pg_temp.restore_values;
  execute format(
    $sql$
create temp table restore_holders on commit drop as
select __v.__draft as draft_id, __v.__key as record_id, %1$s as holder
from pg_temp.restore_values __v
join %2$s __t on %3$s
where __v.__live_key is distinct from %1$s
$sql$,
    audit.record_key_sql(p_relation, '__t'), p_relation::regclass,
    (
      select string_agg(format(case when p_is_null_equal then '__t.%1$I is not distinct from __v.%1$I' else '__t.%1$I = __v.%1$I' end, c), ' and ')
      from unnest(p_columns) c
    )
  );
  insert into pg_temp.restore_takes
  select h.draft_id, o.draft_id, p_index, p_is_hard
  from pg_temp.restore_holders h
  join pg_temp.restore_live l on l.record_id = h.holder
  join pg_temp.restore_draft o on o.draft_id = l.draft_id and o.relation = p_relation
  where o.action = 'delete' or o.action = 'update' and o.columns && p_columns;
  delete from pg_temp.restore_holders h
  using pg_temp.restore_takes t, pg_temp.restore_live l
  where t.index_name = p_index and t.taker = h.draft_id and l.draft_id = t.giver and l.record_id = h.holder;
  -- Of two rows that are to have the same, one must not.
  execute format(
    'insert into pg_temp.restore_holders select a.__draft, a.__key, b.__key from pg_temp.restore_values a '
    'join pg_temp.restore_values b on (b.__key, b.__draft) < (a.__key, a.__draft) and %s',
    (
      select string_agg(format(case when p_is_null_equal then 'a.%1$I is not distinct from b.%1$I' else 'a.%1$I = b.%1$I' end, c), ' and ')
      from unnest(p_columns) c
    )
  );
  update pg_temp.restore_draft d
  set conflict = coalesce(d.conflict, 'unique_clash')
  from pg_temp.restore_holders h
  where d.draft_id = h.draft_id;
  insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
  select distinct on (h.record_id) 'conflict', 'unique_clash', p_relation, h.record_id,
    jsonb_build_object('index', p_index, 'columns', p_columns, 'holder', h.holder)
  from pg_temp.restore_holders h
  order by h.record_id, h.holder;
  drop table pg_temp.restore_holders, pg_temp.restore_values;
end
$$;
comment on function audit.note_holders(oid, text, text[], boolean, boolean) is
  'Notes who holds what drafted rows are to have under a unique index, or who gives it to whom; for check_unique().';
