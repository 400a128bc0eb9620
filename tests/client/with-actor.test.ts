import { drizzle as neonDrizzle } from "drizzle-orm/neon-serverless";
import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import { sql } from "drizzle-orm";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { withActor } from "../../client/with-actor.ts";
import { neonPool } from "../../db/drivers/neon.ts";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();

/** One connection, so that what a transaction leaves behind is seen by the next. */
let pool: pg.Pool;
let orm: NodePgDatabase;

beforeAll(async () => {
  await db.rows("admin", "create schema app; create table app.notes (id serial primary key, body text)");
  await db.rows("admin", "select audit.track('app.notes')");
  const proxy = inject("neonProxy");
  const options = { connectionString: db.serviceUrl("worker"), max: 1 };
  pool = proxy === undefined ? new pg.Pool(options) : (neonPool(options, proxy) as unknown as pg.Pool);
  orm = (proxy === undefined ? drizzle(pool) : neonDrizzle(pool as never)) as unknown as NodePgDatabase;
});
afterAll(() => pool.end());

let quoted = 0;
const write = (body: string) => `insert into app.notes (body) values ('${body}')`;
const entryOf = async (body: string) =>
  (
    await db.rows("app", "select user_id, request_id from audit_logs where new_values ->> 'body' = $1", [
      body,
    ])
  )[0];

/** A transaction on a client of the driver itself. */
async function onClient(work: (client: pg.PoolClient) => Promise<void>, end = "commit"): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await work(client);
    await client.query(end);
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

describe("an actor", () => {
  test("is in the history of a transaction of the driver's, and in none after it on the same connection", async () => {
    await onClient(async (client) => {
      await withActor(client, { userId: "alice", requestId: "req-1" });
      await client.query(write("driver"));
    });
    await onClient(async (client) => void (await client.query(write("driver, next"))));
    await pool.query(write("driver, alone"));
    expect(await entryOf("driver")).toEqual({ user_id: "alice", request_id: "req-1" });
    expect(await entryOf("driver, next")).toEqual({ user_id: null, request_id: null });
    expect(await entryOf("driver, alone")).toEqual({ user_id: null, request_id: null });
  });

  test("is in the history of a transaction of Drizzle's, and in none after it on the same connection", async () => {
    await orm.transaction(async (tx) => {
      await withActor(tx, { userId: "bob", requestId: "req-2" });
      await tx.execute(write("drizzle"));
      await tx.transaction((inner) => inner.execute(write("drizzle, nested")));
    });
    await orm.transaction((tx) => tx.execute(write("drizzle, next")));
    for (const body of ["drizzle", "drizzle, nested"])
      expect(await entryOf(body)).toEqual({ user_id: "bob", request_id: "req-2" });
    expect(await entryOf("drizzle, next")).toEqual({ user_id: null, request_id: null });
  });

  test("of a transaction that was rolled back is nobody's afterwards", async () => {
    await onClient(async (client) => {
      await withActor(client, { userId: "alice" });
      await client.query(write("undone"));
    }, "rollback");
    const failed = orm.transaction(async (tx) => {
      await withActor(tx, { userId: "bob" });
      await tx.execute("select 1 / 0");
    });
    await expect(failed).rejects.toThrow();
    await pool.query(write("after rollback"));
    expect(await entryOf("undone")).toBeUndefined();
    expect(await entryOf("after rollback")).toEqual({ user_id: null, request_id: null });
  });

  test("may change within a transaction, and without a request id none stays", async () => {
    await onClient(async (client) => {
      await withActor(client, { userId: "alice", requestId: "req-3" });
      await withActor(client, { userId: "carol" });
      await client.query(write("changed"));
    });
    expect(await entryOf("changed")).toEqual({ user_id: "carol", request_id: null });
  });

  test.each([
    "o'neill",
    "back\\slash\\'; drop table app.notes; --",
    "'); select pg_sleep(9); --",
    "$1 ${x} :name ?",
    "名前 😀",
    "a\nb\tc",
    "x".repeat(200),
  ])("may be called %j, whatever the session takes for a quote", async (userId) => {
    for (const setting of ["on", "off"]) {
      const body = `quoted ${setting} ${++quoted}`;
      await onClient(async (client) => {
        await client.query(`set local standard_conforming_strings = ${setting}`);
        await withActor(client, { userId, requestId: userId });
        await client.query(write(body));
      });
      expect(await entryOf(body)).toEqual({ user_id: userId, request_id: userId });
    }
  });

  test.each([
    [{ userId: "" }, /userId/],
    [{ userId: "x".repeat(201) }, /userId/],
    [{ userId: undefined as unknown as string }, /userId/],
    [{ userId: "a\0b" }, /userId/],
    [{ userId: "a\ud800b" }, /userId/],
    [{ userId: "alice", requestId: "" }, /requestId/],
    [{ userId: "alice", requestId: "a\0" }, /requestId/],
  ])("%j is none, and is refused before anything is sent", async (actor, message) => {
    const refused = withActor({ query: () => Promise.reject(new Error("sent")) }, actor);
    await expect(refused).rejects.toThrow(TypeError);
    await expect(refused).rejects.toThrow(message);
  });
});

describe("outside a transaction, where it would have no effect,", () => {
  const outside = /outside a transaction/;

  test("it throws on a client that has not begun one, on a pool and on Drizzle's database", async () => {
    const client = await pool.connect();
    try {
      await expect(withActor(client, { userId: "alice" })).rejects.toThrow(outside);
    } finally {
      client.release();
    }
    await expect(withActor(pool, { userId: "alice" })).rejects.toThrow(outside);
    await expect(withActor(orm, { userId: "alice" })).rejects.toThrow(outside);
    await orm.execute(sql.raw(write("outside")));
    expect(await entryOf("outside")).toEqual({ user_id: null, request_id: null });
  });

  test("other failures stay what they are", async () => {
    const lost = new Error("connection lost");
    await expect(withActor({ query: () => Promise.reject(lost) }, { userId: "alice" })).rejects.toBe(lost);
  });
});
