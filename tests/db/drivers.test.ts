import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { toServiceError } from "../../api/_http/failures.ts";
import { connect, type Database, type Db } from "../../db/client.ts";
import { rows } from "../../db/queries/rows.ts";
import { auditEvents } from "../../db/schema/index.ts";
import { startNeon, type LocalNeon } from "../../local/neon/index.ts";
import { useDatabase } from "../support/database.ts";
import { startProxy } from "../support/proxy.ts";

const db = useDatabase();
const CONNECT_TIMEOUT_MS = 3_000;
const STATEMENT_LIMIT_MS = 600;
const LOCK_LIMIT_MS = 200;
const LIMITED = `t_limited_${randomBytes(4).toString("hex")}`;
const PASSWORD = randomBytes(12).toString("hex");
const drivers = ["pg", "neon"] as const;
type Driver = (typeof drivers)[number];

let neon: LocalNeon;
const opened: Database[] = [];

/** Opens a database as one driver does; `port` puts something else in front of it. */
function open(driver: Driver, url: string, options: { poolSize?: number; port?: number } = {}): Database {
  const address = new URL(url);
  if (driver === "neon") address.host = neon.proxy;
  if (options.port !== undefined) address.port = String(options.port);
  const database = connect(address.href, {
    poolSize: options.poolSize ?? 4,
    neonProxy: driver === "neon" ? address.host : undefined,
  });
  opened.push(database);
  return database;
}

beforeAll(async () => {
  const server = new URL(inject("server").url);
  neon = await startNeon({ postgresHost: server.hostname, postgresPort: Number(server.port) });
  await db.rows("superuser", `create role ${LIMITED} login password '${PASSWORD}'`);
  await db.rows("superuser", `alter role ${LIMITED} set statement_timeout = '${STATEMENT_LIMIT_MS}ms'`);
  await db.rows("superuser", `alter role ${LIMITED} set lock_timeout = '${LOCK_LIMIT_MS}ms'`);
  await db.rows("superuser", "create table public.held (id int primary key)");
  await db.rows("superuser", `grant all on public.held to ${LIMITED}`);
});
afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
  await neon.stop();
  await db.rows("superuser", `drop owned by ${LIMITED}`);
  await db.rows("superuser", `drop role ${LIMITED}`);
});

function limitedUrl(): string {
  return Object.assign(new URL(db.url("superuser")), { username: LIMITED, password: PASSWORD }).href;
}

/** What the driver said below Drizzle's own words. */
const cause = (error: unknown) => (error as Error).cause as { code?: string };

async function failed(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable("nothing failed"),
    (error: unknown) => error,
  );
}

const backend = async (tx: Db) =>
  (await rows<{ pid: number }>(tx, sql`select pg_backend_pid() as pid`))[0]?.pid;
const endBackend = (pid?: number) => db.rows("superuser", "select pg_terminate_backend($1)", [pid]);

function expectAway(error: unknown): void {
  expect(toServiceError(error)).toMatchObject({ code: "unavailable" });
}

test.each([
  ["postgresql://u:p@ep-one-1.eu-central-1.aws.neon.tech/db?sslmode=require", "neon"],
  ["postgresql://u:p@ep-one-1-pooler.us-east-2.aws.neon.build/db", "neon"],
  ["postgresql://u:p@127.0.0.1:5431/db", "neon"],
  ["postgresql://u:p@127.0.0.1:5432/db", "pg"],
  ["postgresql://u:p@neon.tech.example.com/db", "pg"],
  ["postgresql://u:p@example.com/neon.tech", "pg"],
  ["socket:/var/run/postgresql?db=neon.tech", "pg"],
])("%s is served by %s", (url, driver) => {
  expect(connect(url, { neonProxy: "127.0.0.1:5431" }).driver).toBe(driver);
});

const EVERY_TYPE = sql`
  select
    timestamptz '2026-03-01 10:20:30.123456+02' as instant, date '2026-03-01' as day, interval '1 day 2 s' as span,
    numeric '12345678901234567890.123456789' as money, 9007199254740993::int8 as big, 7::int4 as small,
    1.5::float8 as real, true as yes, null::text as nothing, 'ünï ☃'::text as words,
    array['a', 'b"c', null]::text[] as list, array[1, 2]::int4[] as numbers,
    array[timestamptz '2026-03-01 10:20:30.123456+02'] as instants,
    '{"a": [1, {"b": null}], "c": "☃"}'::jsonb as tree, '\\x00ff10'::bytea as bytes,
    gen_random_uuid() is not null as made, inet '10.0.0.1/8' as address, pg_current_xact_id() is not null as counted,
    '123'::xid8 as txid`;

test("both drivers answer with the same values of the same types", async () => {
  const answers = await Promise.all(
    drivers.map(async (driver) => (await rows(open(driver, db.url("app")).db, EVERY_TYPE))[0]),
  );
  expect(answers[1]).toEqual(answers[0]);
  expect(answers[1]).toMatchObject({
    instant: "2026-03-01 08:20:30.123456+00",
    money: "12345678901234567890.123456789",
    big: "9007199254740993",
    bytes: Buffer.from([0, 255, 16]),
    list: ["a", 'b"c', null],
    tree: { a: [1, { b: null }], c: "☃" },
  });
});

describe.each(drivers)("over %s", (driver) => {
  test("the query builder gives Dates, JSON and arrays, and takes them", async () => {
    const { db: over } = open(driver, db.url("app"));
    const event = {
      workspace_id: `ws-${driver}`,
      created_by_user_id: "u",
      action_type: "TEST",
      resource_type: "t",
      resource_id: "r",
      tags: ["a", "b c"],
      new_values: { n: 1 },
    };
    await over.execute(sql`select audit.insert_audit_events(${JSON.stringify([event])}::jsonb)`);
    // Not this very millisecond, which may have begun before the event.
    const soon = new Date(Date.now() + 60_000);
    const [row] = await over
      .select()
      .from(auditEvents)
      .where(sql`${auditEvents.workspaceId} = ${event.workspace_id} and ${auditEvents.createdAt} <= ${soon}`);
    expect(row).toMatchObject({ tags: ["a", "b c"], newValues: { n: 1 }, createdAt: expect.any(Date) });
    expect(Math.abs(Date.now() - (row?.createdAt.getTime() ?? 0))).toBeLessThan(60_000);
  });

  test("the roles' limits and search path hold, whatever the client sends", async () => {
    for (const [role, statement] of [
      ["app", "10s"],
      ["worker", "1min"],
    ] as const) {
      const settings = sql`
        select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
          current_setting('search_path') as path, current_setting('TimeZone') as zone,
          current_setting('application_name') as name`;
      expect(await rows(open(driver, db.url(role)).db, settings)).toEqual([
        { statement, lock: "5s", path: "audit, public", zone: "UTC", name: "afterimage" },
      ]);
    }
  });

  test("a statement that runs too long is ended by the server", async () => {
    const { db: over } = open(driver, limitedUrl());
    const error = await failed(over.execute(sql`select pg_sleep(20)`));
    expect(cause(error)).toMatchObject({ code: "57014" });
    expectAway(error);
    expect(await rows(over, sql`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  test("a wait for a lock is ended by the server", async () => {
    const holder = await db.pool("superuser").connect();
    await holder.query("begin; lock table public.held in access exclusive mode");
    const { db: over } = open(driver, limitedUrl());
    const error = await failed(
      over.transaction(async (tx) => tx.execute(sql`insert into public.held values (1)`)),
    );
    await holder.query("rollback");
    holder.release();
    expect(cause(error)).toMatchObject({ code: "55P03" });
    expectAway(error);
  });

  test("a transaction commits as a whole, rolls back as a whole, and nests", async () => {
    const { db: over, connections } = open(driver, limitedUrl());
    const count = async () =>
      (await rows<{ n: number }>(over, sql`select count(*)::int as n from public.held`))[0]?.n;
    const insert = (tx: Db, id: number) => tx.execute(sql`insert into public.held values (${id}::int)`);
    await over.execute(sql`delete from public.held`);
    await failed(
      over.transaction(async (tx) => {
        await insert(tx, 1);
        throw new Error("no");
      }),
    );
    expect(await count()).toBe(0);
    await over.transaction(
      async (tx) => {
        expect(await rows(tx, sql`select current_setting('transaction_isolation') as level`)).toEqual([
          { level: "repeatable read" },
        ]);
        await insert(tx, 2);
        await failed(tx.transaction(async (inner) => insert(inner, 2)));
        await insert(tx, 3);
      },
      { isolationLevel: "repeatable read" },
    );
    expect(await count()).toBe(2);
    expect(connections()).toMatchObject({ total: 1, idle: 1, waiting: 0 });
  });

  test("a connection that ends inside a transaction is a 503 and leaves the pool whole", async () => {
    const { db: over, connections } = open(driver, db.url("app"), { poolSize: 1 });
    const error = await failed(
      over.transaction(async (tx) => {
        await endBackend(await backend(tx));
        // Long enough for the end to arrive while no statement waits for an answer.
        await new Promise((resolve) => setTimeout(resolve, 100));
        await tx.execute(sql`select 1`);
      }),
    );
    expectAway(error);
    expect(await rows(over, sql`select 1 as one`)).toEqual([{ one: 1 }]);
    expect(connections()).toMatchObject({ total: 1, idle: 1, waiting: 0 });
  });

  test("a transaction that cannot begin gives its connection back", async () => {
    const url = `${db.url("app")}?application_name=begin_${driver}`;
    const proxy = await startProxy(Number(new URL(driver === "neon" ? `ws://${neon.proxy}` : url).port));
    const { port } = new URL(proxy.through(url));
    const { db: over, connections } = open(driver, url, { poolSize: 1, port: Number(port) });
    await over.execute(sql`select 1`);
    proxy.stall();
    const beginning = failed(over.transaction(async () => expect.unreachable("it began")));
    await expect.poll(() => connections().idle, { timeout: 10_000 }).toBe(0);
    await proxy.cut();
    expectAway(await beginning);
    await proxy.restore();
    expect(await rows(over, sql`select 1 as one`)).toEqual([{ one: 1 }]);
    expect(connections()).toMatchObject({ total: 1, idle: 1, waiting: 0 });
    await proxy.close();
  });

  test("a server that is not there, or says nothing, is a 503 within the time to connect", async () => {
    const proxy = await startProxy(1);
    const { port } = new URL(proxy.through(db.url("app")));
    await proxy.cut();
    expectAway(await failed(open(driver, db.url("app"), { port: Number(port) }).db.execute(sql`select 1`)));
    await proxy.close();
    const silent = await startProxy(neon.port);
    silent.stall();
    const there = open(driver, db.url("app"), { port: Number(new URL(silent.through(db.url("app"))).port) });
    const started = performance.now();
    const waiting = [there.db.execute(sql`select 1`), there.db.transaction(async () => undefined)];
    for (const error of await Promise.all(waiting.map(failed))) expectAway(error);
    expect(performance.now() - started).toBeLessThan(CONNECT_TIMEOUT_MS + 2_000);
    expect(there.connections().waiting).toBe(0);
    await silent.close();
  });

  test("callers beyond the pool's size wait for a connection, and for so long only", async () => {
    const { db: over, connections } = open(driver, db.url("app"), { poolSize: 1 });
    const sleep = async (ms: number) => {
      const sleeping = rows(over, sql`select pg_sleep(${ms / 1_000}::float8)`);
      await expect.poll(connections, { timeout: 10_000, interval: 5 }).toMatchObject({ total: 1, idle: 0 });
      return { over: sleeping };
    };
    const slow = await sleep(200);
    expect(await rows(over, sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await slow.over;
    const tooSlow = await sleep(CONNECT_TIMEOUT_MS + 1_000);
    expectAway(await failed(over.execute(sql`select 1`)));
    await tooSlow.over;
  });

  test("a wrong password is refused by the server", async () => {
    const url = Object.assign(new URL(db.url("app")), { password: "wrong" }).href;
    expect(cause(await failed(open(driver, url).db.execute(sql`select 1`)))).toMatchObject({
      code: "28P01",
    });
  });
});
