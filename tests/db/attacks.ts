import { partitionOfNow } from "./helpers.ts";

/** A way to alter or remove an event: statements in one session, of which one must be refused. */
export interface Attack {
  name: string;
  sql: string[];
  /** What it is refused with, where that is not a missing right. */
  code?: string;
  /** The admin may ask for it, so that the guard answers it in the words that the operators' guide knows. */
  isGuarded?: true;
}

const P = `audit.${partitionOfNow()}`;
const attack = (name: string, ...sql: string[]): Attack => ({ name, sql });
const guarded = (name: string, ...sql: string[]): Attack => ({ name, sql, isGuarded: true });
/** A view over two tables cannot be written at all. */
const throughView = (name: string, sql: string): Attack => ({ name, sql: [sql], code: "55000" });
const columns = "workspace_id, created_by_user_id, action_type, resource_type, resource_id";
const row = "'ws-sealed', 'u-1', 'FORGED', 'thing', 't-1'";

/** What neither the API's role nor the admin may do in its own name. */
export const attacks: Attack[] = [
  guarded("update", "update audit.audit_events set action_type = 'FORGED'"),
  guarded("update that matches no row", "update audit.audit_events set action_type = 'FORGED' where false"),
  guarded(
    "update of one column",
    "update audit.audit_events set deleted_at = now() where workspace_id = 'ws-sealed'",
  ),
  guarded("delete", "delete from audit.audit_events"),
  guarded(
    "delete through a join",
    "delete from audit.audit_events e using audit.audit_event_keys k where k.id = e.id",
  ),
  guarded("truncate", "truncate audit.audit_events"),
  attack("truncate of a partition", `truncate ${P}`),
  attack("update of a partition", `update ${P} set action_type = 'FORGED'`),
  attack("delete from a partition", `delete from ${P}`),
  attack("insert into a partition", `insert into ${P} (${columns}) values (${row})`),
  guarded(
    "merge",
    "merge into audit.audit_events e using (values ('ws-sealed')) v (w) on e.workspace_id = v.w when matched then delete",
  ),
  guarded(
    "on conflict do update",
    `insert into audit.audit_events (${columns}) values (${row}) on conflict (id, created_at) do update set action_type = 'FORGED'`,
  ),
  guarded(
    "writable CTE",
    "with gone as (delete from audit.audit_events returning *) select count(*) from gone",
  ),
  guarded("prepared statement", "prepare gone as delete from audit.audit_events", "execute gone"),
  guarded(
    "cursor",
    "begin",
    "declare c cursor for select * from audit.audit_events for update",
    "fetch c",
    "delete from audit.audit_events where current of c",
  ),
  guarded("do block", "do $$ begin delete from audit.audit_events; end $$"),
  guarded(
    "function of one's own",
    "create function pg_temp.gone() returns void language sql as 'delete from audit.audit_events'",
    "select pg_temp.gone()",
  ),
  throughView("update through a view", "update audit.vw_security_audit set action_type = 'FORGED'"),
  throughView("delete through a view", "delete from audit.vw_security_audit"),
  guarded("temporary view", "create temp view v as select * from audit.audit_events", "delete from v"),
  attack("forged transaction id", `insert into audit.audit_events (${columns}, txid) values (${row}, '1')`),
  attack(
    "event born deleted",
    `insert into audit.audit_events (${columns}, deleted_at) values (${row}, now())`,
  ),
  attack("copy with every column", "copy audit.audit_events from stdin"),
  attack("copy from a file", "copy audit.audit_events from '/etc/hostname'"),
  attack("copy from a program", "copy audit.audit_events from program 'true'"),
  attack(
    "watermark moved",
    "update audit.audit_event_sequence set last_created_at = now() + interval '1 year'",
  ),
  guarded(
    "merge that updates",
    "merge into audit.audit_events e using (values ('ws-sealed')) v (w) on e.workspace_id = v.w when matched then update set action_type = 'FORGED'",
  ),
  guarded(
    "update through a cursor",
    "begin",
    "declare c cursor for select * from audit.audit_events for no key update",
    "fetch c",
    "update audit.audit_events set action_type = 'FORGED' where current of c",
  ),
  guarded(
    "update of a row that is locked first",
    "begin",
    "select * from audit.audit_events where workspace_id = 'ws-sealed' for update",
    "update audit.audit_events set action_type = 'FORGED' where workspace_id = 'ws-sealed'",
  ),
  guarded("update of the parent alone", "update only audit.audit_events set action_type = 'FORGED'"),
  guarded(
    "move to another month",
    "update audit.audit_events set created_at = created_at + interval '1 month'",
  ),
  guarded(
    "delete and insert in one statement",
    `with gone as (delete from audit.audit_events returning *) insert into audit.audit_events (${columns}) select ${columns} from gone`,
  ),
  guarded(
    "rule that redirects",
    "create temp table t (x int)",
    "create rule r as on insert to t do instead delete from audit.audit_events",
    "insert into t values (1)",
  ),
  guarded(
    "trigger on a table of one's own",
    "create temp table t (x int)",
    "create function pg_temp.gone() returns trigger language plpgsql as $$ begin delete from audit.audit_events; return null; end $$",
    "create trigger t after insert on t for each row execute function pg_temp.gone()",
    "insert into t values (1)",
  ),
  attack(
    "natural key taken over",
    "insert into audit.audit_event_keys values ('ws-sealed', 'e-1', gen_random_uuid(), '\\x00') on conflict (workspace_id, event_id) do update set id = excluded.id",
  ),
  attack("natural keys truncated", "truncate audit.audit_event_keys"),
  attack(
    "watermark moved by a conflict",
    "insert into audit.audit_event_sequence values ('ws-sealed', null, '2000-01-01') on conflict (workspace_id) do update set last_created_at = excluded.last_created_at",
  ),
  attack("watermark removed", "delete from audit.audit_event_sequence"),
  attack("watermarks truncated", "truncate audit.audit_event_sequence"),
  attack("natural key removed", "delete from audit.audit_event_keys"),
  attack("natural key changed", "update audit.audit_event_keys set event_id = 'other'"),
  attack("deletion log cleared", "delete from audit.audit_deletion_log"),
  attack(
    "membership source changed",
    "insert into audit.membership_source values ('the one', 'x', 'y', 'z')",
  ),
  attack("disable trigger", "alter table audit.audit_events disable trigger audit_events_immutable"),
  attack("disable every trigger", "alter table audit.audit_events disable trigger all"),
  attack(
    "disable trigger on a partition",
    `alter table ${P} disable trigger audit_events_immutable_statement`,
  ),
  attack(
    "enable replica trigger",
    "alter table audit.audit_events enable replica trigger audit_events_immutable",
  ),
  attack("rename trigger", "alter trigger audit_events_immutable on audit.audit_events rename to off"),
  attack("drop trigger", "drop trigger audit_events_immutable on audit.audit_events"),
  attack(
    "trigger of one's own",
    "create trigger t before insert on audit.audit_events for each row execute function suppress_redundant_updates_trigger()",
  ),
  attack("drop table", "drop table audit.audit_events cascade"),
  attack("drop partition", `drop table ${P}`),
  attack("drop function", "drop function audit.refuse_event_change() cascade"),
  attack("drop schema", "drop schema audit cascade"),
  attack("rename schema", "alter schema audit rename to tidied"),
  attack("rename table", "alter table audit.audit_events rename to old_events"),
  attack("drop column", "alter table audit.audit_events drop column metadata"),
  attack("rewrite of a column", "alter table audit.audit_events alter action_type type text using 'FORGED'"),
  attack("column default", "alter table audit.audit_events alter created_at set default '2000-01-01'"),
  attack("drop constraint", "alter table audit.audit_events drop constraint check_created_at_not_future"),
  attack("row security that hides", "alter table audit.audit_events enable row level security"),
  attack("policy", "create policy p on audit.audit_events using (false)"),
  attack("rule", "create rule r as on insert to audit.audit_events do instead nothing"),
  attack("detach", `alter table audit.audit_events detach partition ${P}`),
  attack(
    "attach",
    "create temp table p (like audit.audit_events)",
    "alter table audit.audit_events attach partition p for values from ('2020-01-01') to ('2020-02-01')",
  ),
  attack(
    "partition of one's own",
    "create table audit.p partition of audit.audit_events for values from ('2020-01-01') to ('2020-02-01')",
  ),
  attack("new owner", "alter table audit.audit_events owner to current_user"),
  attack(
    "replaced guard",
    "create or replace function audit.refuse_event_change() returns trigger language plpgsql as 'begin return old; end'",
  ),
  attack("altered guard", "alter function audit.refuse_event_change() reset all"),
  attack(
    "replaced view",
    "create or replace view audit.vw_security_audit as select * from audit.audit_events where false",
  ),
  attack("object in the schema", "create table audit.mine ()"),
  attack(
    "foreign key that cascades",
    "create table public.child (id uuid, at timestamptz, foreign key (id, at) references audit.audit_events on delete cascade)",
  ),
  attack("index", "create index on audit.audit_events (metadata)"),
  attack("cluster", `cluster ${P} using ${partitionOfNow()}_pkey`),
  attack("reindex", `reindex table ${P}`),
  attack("replication role", "set session_replication_role = replica"),
  attack("replication role by function", "select set_config('session_replication_role', 'replica', false)"),
  guarded(
    "settings that look like a door",
    "set app.bypass_audit = 'on'",
    "set audit.keeper = 'on'",
    "set app.role = 'audit_keeper'",
    "delete from audit.audit_events",
  ),
  guarded(
    "row_security off",
    "set row_security = off",
    "update audit.audit_events set action_type = 'FORGED'",
  ),
  attack("role keeper", "set role audit_keeper"),
  attack("role keeper by function", "select set_config('role', 'audit_keeper', false)"),
  attack("session of the keeper", "set session authorization audit_keeper"),
  attack("session of the owner", "set session authorization audit_owner"),
  guarded(
    "rights for oneself",
    "grant all on audit.audit_events to current_user",
    "delete from audit.audit_events",
  ),
  guarded(
    "rights for all",
    "grant all on all tables in schema audit to public",
    "delete from audit.audit_events",
  ),
  attack(
    "default rights of the owner",
    "begin",
    "alter default privileges for role audit_owner grant all on tables to public",
    "delete from audit.audit_events",
  ),
  attack("owned objects taken over", "reassign owned by audit_owner to current_user"),
  attack("owned objects dropped", "drop owned by audit_keeper cascade"),
  attack("superuser", "alter role current_user superuser"),
  attack("bypass of row security", "alter role current_user bypassrls"),
  // PostgreSQL 15 lets whoever may create roles do this and the default rights above; the guard does not let it help.
  attack(
    "predefined role that writes everywhere",
    "begin",
    "grant pg_write_all_data to current_user",
    "delete from audit.audit_events",
  ),
  attack("replication role for a login", "alter role audit_app set session_replication_role = replica"),
  attack("server settings", "alter system set session_replication_role = replica"),
  attack("event trigger", "create event trigger e on ddl_command_end execute function pg_temp.nothing()"),
  attack("function in C", "create function pg_temp.c() returns void language c as 'x'"),
  attack("large object to a file", "select lo_export(1, '/tmp/afterimage-stolen')"),
  attack("large object from a file", "select lo_import('/etc/hostname')"),
  attack("file read", "select pg_read_file('postgresql.conf')"),
  attack("catalog", "update pg_catalog.pg_trigger set tgenabled = 'D'"),
  attack("catalog delete", "delete from pg_catalog.pg_class where relname = 'audit_events'"),
  attack("partitions by hand", "select audit.add_month_partition('audit_events', '2031-01-01')"),
];

/** The API's role alone: the admin may look at partitions, lock, and act as the owner. */
export const attacksOfTheApp: Attack[] = [
  attack("role owner", "set role audit_owner"),
  attack("role worker", "set role audit_worker"),
  attack("read of a partition", `select * from ${P}`),
  attack(
    "database setting",
    "do $$ begin execute format('alter database %I set session_replication_role = replica', current_database()); end $$",
  ),
  attack("membership in the keeper", "grant audit_keeper to current_user"),
  attack("membership in the owner", "grant audit_owner to current_user"),
  attack("rename of the keeper", "alter role audit_keeper rename to nobody"),
  attack("password of the worker", "alter role audit_worker password 'x'"),
  attack("new role", "create role accomplice in role audit_keeper"),
  attack("membership check", "select audit.switch_membership_check(null, null, null)"),
  attack("maintenance", "select audit.delete_due_trails(1000)"),
  attack("new partitions", "select audit.create_monthly_audit_partition(24)"),
  attack("select for update", "select * from audit.audit_events for update"),
  attack(
    "watermark made",
    "insert into audit.audit_event_sequence values ('ws-new', null, now() + interval '1 year')",
  ),
  attack("lock", "begin", "lock table audit.audit_events in access exclusive mode"),
  attack("truncate only, with cascade", "truncate only audit.audit_events restart identity cascade"),
];

/** The admin alone. */
export const attacksOfTheAdmin: Attack[] = [
  attack("service event", "select audit.insert_service_event('{}')"),
  attack("maintenance", "select audit.roll_up_trails(1)"),
  attack(
    "database setting",
    "do $$ begin execute format('alter database %I set session_replication_role = replica', current_database()); end $$",
  ),
  attack("reindex of the schema", "reindex schema audit"),
  attack("superuser through the owner", "alter role audit_owner superuser"),
];
