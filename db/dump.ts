import type pg from "pg";

/** What belongs to the schema `audit` and is no month's partition: those come and go. */
const OURS = "c.relnamespace = 'audit'::regnamespace and not c.relispartition";

const ROLES = `
select format('-- %s: %s', r.rolname, concat_ws(', ',
  case when r.rolcanlogin then 'login' else 'nologin' end,
  case when r.rolsuper then 'superuser' end, case when r.rolcreaterole then 'createrole' end,
  case when r.rolbypassrls then 'bypassrls' end,
  (select string_agg('member of ' || g.roleid::regrole, ', ' order by g.roleid::regrole::text)
   from pg_auth_members g where g.member = r.oid),
  nullif(array_to_string(array(select s from unnest(r.rolconfig) s order by s), ', '), '')
)) as text
from pg_roles r
where r.rolname in ('audit_owner', 'audit_keeper', 'audit_lookup', 'audit_recorder', 'audit_app', 'audit_worker')
order by r.rolname collate "C"`;

const TABLES = `
select format(E'create table %I.%I (\\n%s\\n)%s;%s', 'audit', c.relname, concat_ws(E',\\n', columns.list, checks.list),
    case when c.relkind = 'p' then ' partition by ' || pg_get_partkeydef(c.oid) else '' end,
    coalesce(E'\\n' || indexes.list, '')) as text
from pg_class c
cross join lateral (
  select string_agg(format('  %I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' else '' end,
    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')), E',\\n' order by a.attnum) as list
  from pg_attribute a
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) columns
cross join lateral (
  -- PostgreSQL 18 also keeps NOT NULL here, which the columns say already.
  select string_agg(format('  constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), E',\\n'
    order by k.contype, k.conname collate "C") as list
  from pg_constraint k
  where k.conrelid = c.oid and k.contype <> 'n'
) checks
cross join lateral (
  select string_agg(pg_get_indexdef(i.indexrelid) || ';', E'\\n' order by i.indexrelid::regclass::text collate "C") as list
  from pg_index i
  where i.indrelid = c.oid and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
) indexes
where ${OURS} and c.relkind in ('r', 'p')
order by c.relname collate "C"`;

const FUNCTIONS = `
select format(E'-- owner: %s\\n%s;', p.proowner::regrole, rtrim(pg_get_functiondef(p.oid), E'\\n')) as text
from pg_proc p
where p.pronamespace = 'audit'::regnamespace
order by p.oid::regprocedure::text collate "C"`;

const TRIGGERS = `
select pg_get_triggerdef(t.oid) || ';' || case t.tgenabled when 'O' then '' when 'D' then ' -- disabled' else ' -- ' || t.tgenabled::text end
  as text
from pg_trigger t
join pg_class c on c.oid = t.tgrelid
where ${OURS} and not t.tgisinternal
order by c.relname collate "C", t.tgname collate "C"`;

const VIEWS = `
select format(E'create view audit.%I as\\n%s', c.relname, pg_get_viewdef(c.oid, true)) as text
from pg_class c
where ${OURS} and c.relkind = 'v'
order by c.relname collate "C"`;

/** One line per object and role. The admin's name differs from place to place, so it is written as "admin". */
const GRANTS = `
with acls as (
  select 'schema audit' as object, n.nspowner as owner, n.nspacl as acl, null as columns
  from pg_namespace n where n.nspname = 'audit'
  union all
  select 'table audit.' || quote_ident(c.relname), c.relowner, c.relacl, null
  from pg_class c where ${OURS} and c.relkind in ('r', 'p', 'v')
  union all
  select 'table audit.' || quote_ident(c.relname), c.relowner, a.attacl, a.attname
  from pg_class c join pg_attribute a on a.attrelid = c.oid where ${OURS} and a.attacl is not null
  union all
  select 'function ' || p.oid::regprocedure, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)), null
  from pg_proc p where p.pronamespace = 'audit'::regnamespace
),
given as (
  select object, columns, x.privilege_type,
    case x.grantee when 0 then 'public' when session_user::text::regrole then 'admin' else x.grantee::regrole::text end as grantee
  from acls, aclexplode(acl) x
  where x.grantee <> owner
),
by_privilege as (
  select object, grantee, lower(privilege_type)
      || coalesce(' (' || string_agg(columns, ', ' order by columns collate "C") || ')', '') as privilege
  from given
  group by object, grantee, privilege_type, columns is null
)
select format('grant %s on %s to %s;', string_agg(privilege, ', ' order by privilege collate "C"), object, grantee) as text
from by_privilege
group by object, grantee
order by object collate "C", grantee collate "C"`;

const COMMENTS = `
with described as (
  select 'table audit.' || quote_ident(c.relname) as object, c.oid, 'pg_class' as catalog, 0 as sub
  from pg_class c where ${OURS} and c.relkind in ('r', 'p')
  union all
  select 'view audit.' || quote_ident(c.relname), c.oid, 'pg_class', 0
  from pg_class c where ${OURS} and c.relkind = 'v'
  union all
  select format('column audit.%I.%I', c.relname, a.attname), c.oid, 'pg_class', a.attnum
  from pg_class c join pg_attribute a on a.attrelid = c.oid where ${OURS} and a.attnum > 0
  union all
  select 'function ' || p.oid::regprocedure, p.oid, 'pg_proc', 0
  from pg_proc p where p.pronamespace = 'audit'::regnamespace
  union all
  select format('trigger %I on audit.%I', t.tgname, c.relname), t.oid, 'pg_trigger', 0
  from pg_trigger t join pg_class c on c.oid = t.tgrelid where ${OURS} and not t.tgisinternal
)
select format('comment on %s is %L;', d.object, s.description) as text
from described d
join pg_description s on s.objoid = d.oid and s.classoid = ('pg_catalog.' || d.catalog)::regclass and s.objsubid = d.sub
order by d.object collate "C"`;

const SECTIONS: [title: string, query: string, gap: string][] = [
  ["Roles", ROLES, "\n"],
  ["Tables", TABLES, "\n\n"],
  ["Functions", FUNCTIONS, "\n\n"],
  ["Triggers", TRIGGERS, "\n"],
  ["Views", VIEWS, "\n\n"],
  ["Grants; whatever is not named here is refused", GRANTS, "\n"],
  ["Comments", COMMENTS, "\n"],
];

const HEAD = `-- The schema as it stands in the database, for reading: written by \`npm run schema\`, compared by a test, applied by
-- nobody. Month partitions are left out; they look like their parents.`;

/** The whole schema as text in an order that does not change; the connection belongs to the admin that migrated. */
export async function dumpSchema(client: pg.Client): Promise<string> {
  // With nothing on the path every name is written in full.
  await client.query("set search_path = ''; set timezone = 'UTC'");
  const parts = [HEAD];
  for (const [title, query, gap] of SECTIONS) {
    const { rows } = await client.query<{ text: string }>(query);
    parts.push(`-- ${title}`, rows.map((row) => row.text).join(gap));
  }
  return `${parts.join("\n\n")}\n`;
}
