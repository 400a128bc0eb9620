-- Owner, rights, settings and body of the functions behind the guards, and whether they are as these files make them.
-- Whoever replaces one may replace this view too, but not by accident. A test says what to write here after a change.
create or replace view audit.guard_functions as
select
  f.guard,
  found.fingerprint,
  found.fingerprint = f.fingerprint as as_made
from (
  values
    ('audit.refuse_event_change()'::regprocedure, 'c09748e51f229057a941012f786423a98bd542da8a7d9e499e494a0b4b0ac334'),
    ('audit.check_event_chronology()'::regprocedure, '4f90d489681a31644b848ef6f18b1e3fcc1735242859ed3e20873c5ab4143ab2'),
    ('audit.check_workspace_membership()'::regprocedure, 'e937e0364e5fc80ec794f26bddc761a419e1ef7067160feb46e0600462d32a99')
) f (guard, fingerprint)
join pg_catalog.pg_proc p on p.oid = f.guard
cross join lateral (
  select encode(
    sha256(convert_to(concat_ws(' ', p.proowner::regrole, p.prosecdef, p.proconfig, p.prosrc), 'UTF8')), 'hex'
  ) as fingerprint
) found;
comment on view audit.guard_functions is 'Whether the functions that guard events are as the files of this version make them.';

-- On for ordinary sessions ('R' fires in replicas only), unconditional (all but the keeper's inserts are checked), and
-- calling a function of ours as it was made. The bits are ROW 1, BEFORE 2, INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32.
create or replace view audit.partition_guards as
with triggers as (
  select
    t.tgrelid,
    t.tgfoid as guard,
    t.tgtype & 63 as bits,
    t.tgqual is null and t.tgattr::text = '' as always,
    position('WHEN ((CURRENT_USER <> ''audit_keeper''::name))' in pg_get_triggerdef(t.oid)) > 0 as for_all_but_keeper
  from pg_catalog.pg_trigger t
  join audit.guard_functions f on f.guard = t.tgfoid and f.as_made
  where t.tgenabled in ('O', 'A')
),
guards as (
  select
    t.tgrelid,
    t.guard = 'audit.refuse_event_change()'::regprocedure and t.bits = 27 and t.always as guards_rows,
    t.guard = 'audit.refuse_event_change()'::regprocedure and t.bits = 58 and t.always as guards_statements,
    t.guard = 'audit.check_event_chronology()'::regprocedure and t.bits = 7 and t.for_all_but_keeper as checks_chronology,
    t.guard = 'audit.check_workspace_membership()'::regprocedure and t.bits = 7 and t.for_all_but_keeper as checks_membership
  from triggers t
),
tables (id, has_months, holds_events) as (
  values
    ('audit.audit_events'::regclass, true, true),
    ('audit.audit_events_archive'::regclass, true, false),
    ('audit.audit_logs'::regclass, true, false),
    ('audit.audit_event_keys'::regclass, false, false),
    ('audit.audit_deletion_log'::regclass, false, false)
  union all
  select i.inhrelid, true, i.inhparent = 'audit.audit_events'::regclass
  from pg_catalog.pg_inherits i
  where i.inhparent in (
    'audit.audit_events'::regclass, 'audit.audit_events_archive'::regclass, 'audit.audit_logs'::regclass
  )
)
select
  c.relname as table_name,
  case when s.has_months then coalesce(bool_or(g.guards_rows), false) end as rows_guarded,
  coalesce(bool_or(g.guards_statements), false) as statements_guarded,
  case when s.holds_events then coalesce(bool_or(g.checks_chronology), false) end as chronology_checked,
  case
    when s.holds_events and exists (select from audit.membership_source) then coalesce(bool_or(g.checks_membership), false)
  end as membership_checked
from tables s
join pg_catalog.pg_class c on c.oid = s.id
left join guards g on g.tgrelid = s.id
group by c.relname, s.has_months, s.holds_events;
comment on view audit.partition_guards is
  'Whether the guards of the append-only tables are on and as they were made; null where one is not meant to be.';

select audit.create_monthly_audit_partition();
