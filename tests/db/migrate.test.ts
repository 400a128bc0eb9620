import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { dumpSchema } from "../../db/dump.ts";
import { migrate, SchemaMismatchError } from "../../db/migrate.ts";
import { pieces } from "../../db/pieces.ts";
import { statements } from "../../db/statements.ts";
import { TEMPLATE } from "../support/global-setup.ts";
import { useDatabase } from "../support/database.ts";
import { event, failure, withClient } from "./helpers.ts";

const db = useDatabase();
const made: string[] = [];

afterAll(async () => {
  for (const name of made) await db.rows("superuser", `drop database if exists ${name} with (force)`);
});

/** A database of the admin's: empty, or migrated already. */
async function database(template: "empty" | "migrated"): Promise<Target> {
  const name = `m_${randomBytes(6).toString("hex")}`;
  made.push(name);
  const source = template === "empty" ? "template0" : TEMPLATE;
  await db.rows("superuser", `create database ${name} template ${source} owner afterimage_admin`);
  const url = db.url("admin").replace(db.name, name);
  return {
    url,
    query: (text, values) => query(url, text, values),
    owner: (text) => query(url, `set role audit_owner; ${text}`),
  };
}

interface Target {
  url: string;
  query(text: string, values?: unknown[]): Promise<pg.QueryResultRow[]>;
  owner(text: string): Promise<pg.QueryResultRow[]>;
}

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const query = (url: string, text: string, values?: unknown[]): Promise<pg.QueryResultRow[]> =>
  connected(url, async (client) => (await client.query(text, values)).rows);

const schemaOf = (url: string) => connected(url, dumpSchema);

const dump = (url: string): Promise<string> =>
  connected(url, async (client) => {
    const { rows } = await client.query(
      "select name, checksum, applied_at from audit.schema_versions order by name",
    );
    return (await dumpSchema(client)) + JSON.stringify(rows);
  });

const outdated = (target: Target, name: string) =>
  target.owner(`update audit.schema_versions set checksum = 'before' where name = '${name}'`);
const ALL = pieces().map((piece) => piece.name);

describe("migrate", () => {
  test("brings an empty database up to date as a plain admin, and has nothing to do the second time", async () => {
    const target = await database("empty");
    expect(await migrate({ url: target.url })).toEqual({ applied: ALL, dryRun: false });
    const before = await dump(target.url);
    expect(await migrate({ url: target.url })).toEqual({ applied: [], dryRun: false });
    expect(await dump(target.url)).toBe(before);
  });

  test("applies every file again without a change to what is there", async () => {
    const target = await database("migrated");
    const before = await dump(target.url);
    await target.owner("update audit.schema_versions set checksum = 'before' where name like 'sql/%'");
    const { applied } = await migrate({ url: target.url });
    expect(applied).toEqual(ALL.filter((name) => name.startsWith("sql/")));
    const times = /\[\{"name".*$/;
    expect((await dump(target.url)).replace(times, "")).toBe(before.replace(times, ""));
  });

  test("applies a changed file alone, and what follows any change after it", async () => {
    const target = await database("migrated");
    await outdated(target, "sql/events-read.sql");
    const { applied } = await migrate({ url: target.url });
    expect(applied).toEqual([
      "sql/events-read.sql",
      "sql/history-renew.sql",
      "sql/grants.sql",
      "sql/grants-keeper.sql",
    ]);
  });

  test("applies grants that alone have changed", async () => {
    const target = await database("migrated");
    await outdated(target, "sql/grants-keeper.sql");
    expect((await migrate({ url: target.url })).applied).toEqual(["sql/grants-keeper.sql"]);
  });

  test("makes the trigger functions of tracked tables anew when a file that makes them has changed", async () => {
    const target = await database("migrated");
    await target.query("create table public.tracked (id int primary key)");
    await target.query("select audit.track('public.tracked')");
    await target.owner("update audit.tracked_tables set body_md5 = 'before'");
    await outdated(target, "sql/history-exact.sql");
    await migrate({ url: target.url });
    const [row] = await target.query(
      `select md5(p.prosrc) = t.body_md5 as is_noted
       from audit.tracked_tables t join pg_proc p on p.oid = to_regproc('audit.capture_' || t.relation)`,
    );
    expect(row).toEqual({ is_noted: true });
  });

  test("finds there what was built ahead as docs/DEPLOY.md says", async () => {
    const target = await database("migrated");
    const before = await schemaOf(target.url);
    const indexes = "audit.audit_trails_project_due, audit.audit_trails_past";
    await target.owner(
      `drop index ${indexes}; alter table audit.audit_trails drop column imported_at;
       delete from audit.schema_versions where name = 'migrations/0010_costs.sql'`,
    );
    await outdated(target, "sql/comments.sql");
    const guide = readFileSync(new URL("../../docs/DEPLOY.md", import.meta.url), "utf8");
    const ahead = /```sql\n([^`]*audit_trails_past[^`]*)```/.exec(guide)?.[1] ?? "";
    await connected(target.url, async (client) => {
      for (const { text } of statements(ahead)) await client.query(text);
      // An index that is built concurrently waits for every older transaction.
      expect((await client.query("show lock_timeout")).rows).toEqual([{ lock_timeout: "0" }]);
      const built = await client.query("select $1::regclass::oid as oid", ["audit.audit_trails_past"]);
      expect((await migrate({ url: target.url })).applied).toContain("migrations/0010_costs.sql");
      const kept = await client.query("select $1::regclass::oid as oid", ["audit.audit_trails_past"]);
      expect(kept.rows).toEqual(built.rows);
    });
    expect(await schemaOf(target.url)).toBe(before);
  });

  test("drops and builds what building ahead left invalid", async () => {
    const target = await database("migrated");
    await target.owner("delete from audit.schema_versions where name = 'migrations/0010_costs.sql'");
    const superuser = new URL(db.url("superuser"));
    superuser.pathname = new URL(target.url).pathname;
    const its = "where indexrelid = 'audit.audit_trails_past'::regclass";
    await query(superuser.href, `update pg_index set indisvalid = false ${its}`);
    await migrate({ url: target.url });
    expect(await target.query(`select indisvalid from pg_index ${its}`)).toEqual([{ indisvalid: true }]);
  });

  test("takes back a right that no file grants", async () => {
    const target = await database("migrated");
    const before = (await dump(target.url)).match(/^grant .*audit_events.*$/gm);
    await target.owner(
      `grant delete on audit.audit_events to audit_app; grant update (metadata) on audit.audit_events to audit_worker;
       grant references on audit.audit_events to afterimage_admin`,
    );
    await outdated(target, "sql/grants.sql");
    await outdated(target, "sql/events-read.sql");
    await migrate({ url: target.url });
    expect((await dump(target.url)).match(/^grant .*audit_events.*$/gm)).toEqual(before);
  });

  test("with dryRun says what it would do and changes nothing", async () => {
    const empty = await database("empty");
    expect(await migrate({ url: empty.url, dryRun: true })).toEqual({ applied: ALL, dryRun: true });
    expect(await empty.query("select from pg_namespace where nspname = 'audit'")).toEqual([]);

    const target = await database("migrated");
    await outdated(target, "sql/trails.sql");
    const before = await dump(target.url);
    const { applied } = await migrate({
      url: target.url,
      dryRun: true,
      passwords: { audit_app: "never set" },
    });
    expect(applied).toContain("sql/trails.sql");
    expect(await dump(target.url)).toBe(before);
    expect(await db.rows("app", "select 1 as works")).toEqual([{ works: 1 }]);
  });

  test("run twice at once does the work once", async () => {
    const target = await database("empty");
    const results = await Promise.all([migrate({ url: target.url }), migrate({ url: target.url })]);
    expect(results.map((result) => result.applied.length).toSorted((a, b) => a - b)).toEqual([0, ALL.length]);
  });

  test("of two databases of one cluster at once does both", async () => {
    const targets = await Promise.all([database("empty"), database("empty")]);
    const results = await Promise.all(targets.map(({ url }) => migrate({ url })));
    expect(results.map((result) => result.applied)).toEqual([ALL, ALL]);
  });

  test("leaves no session of the admin in the keeper, and the keeper without CREATE", async () => {
    const target = await database("migrated");
    await outdated(target, "sql/trails.sql");
    await migrate({ url: target.url });
    expect(await failure(target.query("set role audit_keeper"))).toMatchObject({ code: "42501" });
    const [row] = await target.query("select has_schema_privilege('audit_keeper', 'audit', 'create') as can");
    expect(row).toEqual({ can: false });
  });

  test("keeps the events, the months and the membership check that are there", async () => {
    const target = await database("migrated");
    await target.owner(
      `insert into audit.audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id) values ('w', 'u', 'A', 't', 'r');
       select audit.create_monthly_audit_partition(6);
       alter table audit.audit_events enable trigger check_audit_workspace_membership`,
    );
    const look = () =>
      target.query(
        `select (select count(*) from audit.audit_events) as events, (select count(*) from pg_inherits) as months,
           (select string_agg(tgenabled::text, '') from pg_trigger where tgname = 'check_audit_workspace_membership') as checks`,
      );
    const before = await look();
    await target.owner("update audit.schema_versions set checksum = 'before' where name like 'sql/%'");
    await migrate({ url: target.url });
    expect(await look()).toEqual(before);
  });

  test("forgets a schedule that the code no longer has", async () => {
    const target = await database("migrated");
    await target.owner(
      "insert into audit.job_schedules (job_id, cron, late_after_seconds) values ('gone', '* * * * *', 60)",
    );
    await migrate({ url: target.url });
    expect(await target.query("select from audit.job_schedules where job_id = 'gone'")).toEqual([]);
  });
});

describe("migrate refuses", () => {
  test("a landed migration that was edited", async () => {
    const target = await database("migrated");
    const name = ALL.find((one) => one.startsWith("migrations/")) ?? "";
    await outdated(target, name);
    const failed = migrate({ url: target.url });
    await expect(failed).rejects.toThrow(SchemaMismatchError);
    await expect(failed).rejects.toThrow(`${name} was edited after it was applied`);
  });

  test("a database of a newer version", async () => {
    const target = await database("migrated");
    await target.owner("insert into audit.schema_versions values ('migrations/9999_tomorrow.sql', 'x')");
    await expect(migrate({ url: target.url })).rejects.toThrow(/9999_tomorrow\.sql.*newer version/);
  });

  test("to leave half of its work behind, and names the file and line that failed", async () => {
    const target = await database("migrated");
    await target.owner("drop view audit.vw_security_audit; create table audit.vw_security_audit ()");
    await outdated(target, "sql/events-insert.sql");
    await outdated(target, "sql/events-read.sql");
    await target.owner("drop function audit.event_payload_hash(jsonb)");
    const before = await dump(target.url);
    const failed = await failure(migrate({ url: target.url }));
    const line = lineOf("sql/events-read.sql", "create or replace view audit.vw_security_audit");
    expect(failed.message).toBe(`db/sql/events-read.sql:${line}: "vw_security_audit" is not a view`);
    expect(await dump(target.url)).toBe(before);
    expect(before).not.toContain("event_payload_hash(p_event jsonb)");
  });

  test("a schema audit that belongs to somebody else", async () => {
    const target = await database("empty");
    await target.query("create schema audit");
    const failed = await failure(migrate({ url: target.url }));
    expect(failed).toMatchObject({ code: "42501", message: expect.stringContaining("db/sql/schema.sql:") });
    expect(await target.query("select from pg_class where relnamespace = 'audit'::regnamespace")).toEqual([]);
  });
});

describe("migrate and a lock that another session holds", () => {
  test("gives up with a message that says what to do, and lets writers through meanwhile", async () => {
    await outdated(here(), "sql/events-guard.sql");
    await withClient(db, "app", async (holder) => {
      await holder.query("begin");
      await holder.query("select * from insert_audit_events($1)", [JSON.stringify([event()])]);
      const failed = failure(migrate({ url: db.url("admin"), attempts: 2 }));
      await sleep(500);
      const waited = Date.now();
      await db.rows("app", "select * from insert_audit_events($1)", [JSON.stringify([event()])]);
      expect(Date.now() - waited).toBeLessThan(5_000);
      expect(await failed).toMatchObject({
        code: "55P03",
        message: expect.stringMatching(
          /^db\/sql\/events-guard\.sql:\d+: .*Tried 2 times: another transaction holds the table/,
        ),
      });
      await holder.query("rollback");
    });
  });

  test("comes back and finishes when the lock is gone", async () => {
    await outdated(here(), "sql/events-guard.sql");
    await withClient(db, "app", async (holder) => {
      await holder.query("begin");
      await holder.query("select * from insert_audit_events($1)", [JSON.stringify([event()])]);
      const done = migrate({ url: db.url("admin") });
      await sleep(2_500);
      await holder.query("commit");
      expect((await done).applied).toContain("sql/events-guard.sql");
    });
  });
});

describe("statements()", () => {
  test("parts a file at its semicolons, and at no other, with the line of each", () => {
    const sql =
      "-- a; comment\nselect 1;\n\ndo $$ begin; end $$;\nselect ';', \"a;b\", $q$;$q$ /* ; */\n  , 'it''s;';\n";
    expect(statements(sql)).toEqual([
      { line: 2, text: "select 1" },
      { line: 4, text: "do $$ begin; end $$" },
      { line: 5, text: "select ';', \"a;b\", $q$;$q$ /* ; */\n  , 'it''s;'" },
    ]);
  });

  test("loses no statement of ours", () => {
    for (const piece of pieces()) {
      const joined = statements(piece.text)
        .map((one) => one.text)
        .join("");
      const strip = (text: string) => text.replaceAll(/--[^\n]*|[\s;]/g, "");
      expect(strip(joined), piece.name).toBe(strip(piece.text));
    }
  });
});

function here(): Target {
  const url = db.url("admin");
  return {
    url,
    query: (text, values) => query(url, text, values),
    owner: (text) => query(url, `set role audit_owner; ${text}`),
  };
}

function lineOf(name: string, text: string): number {
  const piece = pieces().find((one) => one.name === name);
  return (piece?.text ?? "").split(text)[0]?.split("\n").length ?? 0;
}
