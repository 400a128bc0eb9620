create or replace function audit.capture_problems() returns table (relation text, problem text, action text)
language sql stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with tracked as (
    select t.*, c.relrowsecurity, coalesce(c.oid::regclass::text, format('%I.%I', t.table_schema, t.table_name)) as name,
      c.oid is null as is_gone,
      'npx afterimage track ' || coalesce(r.oid::regclass::text, '') || ', with the options that it has' as track_again
    from audit.tracked_tables t
    left join pg_class c on c.oid = t.relation
    left join pg_class r on r.oid = t.root
  ),
  standing as (
    select * from tracked where not is_gone
  )
  select name, 'gone', 'Its table or partition was dropped: select audit.forget_dropped(). The history stays.'
  from tracked
  where is_gone
  union all
  select s.name, 'triggers', 'Changes go unrecorded. Enable its triggers, or run ' || s.track_again || '.'
  from standing s
  where s.is_on and (
    4 > (
      select count(*)
      from pg_trigger g
      where g.tgrelid = s.relation and g.tgname in ('audit_insert', 'audit_update', 'audit_delete', 'audit_truncate')
        and g.tgenabled in ('O', 'A') and g.tgqual is null
        and g.tgfoid = to_regproc(format('audit.capture_%s', s.relation))
    )
    or not exists (
      select from pg_proc p
      where p.oid = to_regproc(format('audit.capture_%s', s.relation)) and p.proowner = 'audit_recorder'::regrole and p.prosecdef
        and md5(p.prosrc) = s.body_md5
    )
  )
  union all
  select p.relid::text, 'partition', 'Writes to it directly go unrecorded. Run ' || s.track_again || '.'
  from standing s
  cross join pg_partition_tree(s.relation) p
  join pg_class c on c.oid = p.relid and c.relkind in ('r', 'p')
  where s.relation = s.root and p.relid <> s.relation and p.relid not in (select o.relation from standing o)
  union all
  select s.name, 'stale', 'Its columns changed, so each write takes longer to record. Run ' || s.track_again || '.'
  from standing s
  where s.columns <> audit.columns_of(s.relation)
  union all
  select s.name, 'policy', 'Its row-level security hides rows from the service. Run ' || s.track_again || '.'
  from standing s
  where s.relrowsecurity and 2 > (
    select count(*)
    from pg_policy y
    where y.polrelid = s.relation and y.polname in ('audit_recorder_reads', 'audit_worker_restores')
  )
$$;
comment on function audit.capture_problems() is
  'What keeps the changes of tracked tables from being recorded, wholly or quickly, and what to do: triggers, partition, stale, policy or gone.';
