import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { describe, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { event, failure, one, withClient } from "./helpers.ts";

const db = useDatabase();
const COLUMNS = "workspace_id, created_by_user_id, action_type, resource_type, resource_id";
const LONG_TRANSACTION_MS = 60_000;

/** Inserts one event as the API's role; `createdAt` is an SQL expression, or left to the server. */
function insert(client: pg.Client | pg.Pool, workspace: string, createdAt?: string): Promise<pg.QueryResult> {
  const [column, value] = createdAt ? [", created_at", `, ${createdAt}`] : ["", ""];
  return client.query(
    `insert into audit.audit_events (${COLUMNS}${column}) values ($1, 'u-1', 'TEST', 'thing', 't-1'${value})
     returning created_at`,
    [workspace],
  );
}

const app = () => db.pool("app");

describe.concurrent("a time given by the server is never refused", () => {
  test(
    "not in a transaction that has been open for 60 s while its workspace went on",
    { timeout: LONG_TRANSACTION_MS + 30_000 },
    async ({ expect }) => {
      await withClient(db, "app", async (client) => {
        await client.query("set idle_in_transaction_session_timeout = 0");
        await client.query("begin");
        await insert(client, "ws-long");
        const until = Date.now() + LONG_TRANSACTION_MS;
        while (Date.now() < until) {
          await insert(app(), "ws-long");
          await sleep(500);
        }
        expect(await failure(insert(client, "ws-long"))).toMatchObject({ message: "nothing failed" });
        await client.query("commit");
      });
    },
  );

  test.each(["repeatable read", "serializable"])("not under %s, with an old snapshot", async (isolation) => {
    const workspace = `ws-${isolation}`;
    await insert(app(), workspace);
    await withClient(db, "app", async (client) => {
      await client.query(`begin isolation level ${isolation}`);
      await client.query("select count(*) from audit.audit_events");
      await sleep(1_500);
      await insert(app(), workspace);
      await insert(client, workspace);
      await client.query("commit");
    });
    const { count } = await one(
      app(),
      "select count(*)::int from audit.audit_events where workspace_id = $1",
      [workspace],
    );
    expect(count).toBe(3);
  });

  test("not with 16 writers on one workspace for several seconds", async ({ expect }) => {
    const until = Date.now() + 4_000;
    const refused: string[] = [];
    let stored = 0;
    const writer = async () => {
      while (Date.now() < until) {
        const failed = await failure(insert(app(), "ws-hot"));
        if (failed.message === "nothing failed") stored++;
        else refused.push(failed.message);
      }
    };
    await Promise.all(Array.from({ length: 16 }, writer));
    expect(refused).toEqual([]);
    expect(stored).toBeGreaterThan(16);
    const { lag } = await one(
      app(),
      `select extract(epoch from (select max(created_at) from audit.audit_events where workspace_id = s.workspace_id)
         - s.last_created_at)::float as lag
       from audit.audit_event_sequence s where s.workspace_id = 'ws-hot'`,
    );
    // At most once a second, but about that often.
    expect(lag).toBeGreaterThanOrEqual(0);
    expect(lag).toBeLessThan(10);
  });

  test("not even when the clock was set back behind the watermark", async ({ expect }) => {
    await db.asOwner(
      "insert into audit_event_sequence values ('ws-back', null, clock_timestamp() + interval '1 hour')",
    );
    expect(await failure(insert(app(), "ws-back"))).toMatchObject({ message: "nothing failed" });
    expect(await failure(insert(app(), "ws-back", "clock_timestamp() - interval '10 s'"))).toMatchObject({
      message: "Audit event timestamp is before last event",
    });
  });
});

describe.concurrent("a supplied time", () => {
  test("more than 5 s before the watermark is refused, 4.9 s is not", async ({ expect }) => {
    const before = (seconds: number) =>
      `(select last_created_at - interval '${seconds} s' from audit.audit_event_sequence where workspace_id = 'ws-late')`;
    await insert(app(), "ws-late");
    expect(await failure(insert(app(), "ws-late", before(5.1)))).toMatchObject({
      code: "23514",
      message: "Audit event timestamp is before last event",
    });
    expect(await failure(insert(app(), "ws-late", before(4.9)))).toMatchObject({ message: "nothing failed" });
  });

  test("of another workspace does not matter", async ({ expect }) => {
    await insert(app(), "ws-one");
    expect(await failure(insert(app(), "ws-two", "clock_timestamp() - interval '1 minute'"))).toMatchObject({
      message: "nothing failed",
    });
  });

  test("more than a minute ahead violates check_created_at_not_future and does not block its workspace", async ({
    expect,
  }) => {
    expect(await failure(insert(app(), "ws-ahead", "clock_timestamp() + interval '61 s'"))).toMatchObject({
      code: "23514",
      constraint: expect.stringContaining("check_created_at_not_future"),
    });
    expect(await failure(insert(app(), "ws-ahead"))).toMatchObject({ message: "nothing failed" });
  });

  test("59 s ahead is stored and leaves the watermark at the clock", async ({ expect }) => {
    await insert(app(), "ws-soon", "clock_timestamp() + interval '59 s'");
    const { ahead } = await one(
      app(),
      "select last_created_at > clock_timestamp() as ahead from audit.audit_event_sequence where workspace_id = 'ws-soon'",
    );
    expect(ahead).toBe(false);
    expect(await failure(insert(app(), "ws-soon"))).toMatchObject({ message: "nothing failed" });
  });

  test("is kept in a batch of one workspace, all or nothing", async ({ expect }) => {
    const rows =
      "('ws-batch', 'u', 'A', 't', 'r', clock_timestamp()), ('ws-batch', 'u', 'B', 't', 'r', clock_timestamp() - interval '1 minute')";
    const failed = await failure(
      app().query(`insert into audit.audit_events (${COLUMNS}, created_at) values ${rows}`),
    );
    expect(failed.message).toBe("Audit event timestamp is before last event");
    const { count } = await one(
      app(),
      "select count(*)::int from audit.audit_events where workspace_id = 'ws-batch'",
    );
    expect(count).toBe(0);
  });
});

describe.concurrent("nobody waits", () => {
  test("the first event of a new workspace does not wait for another transaction's first event", async ({
    expect,
  }) => {
    await withClient(db, "app", (first) =>
      withClient(db, "app", async (second) => {
        await first.query("begin");
        await insert(first, "ws-new");
        await second.query("set statement_timeout = '2s'");
        expect(await failure(insert(second, "ws-new"))).toMatchObject({ message: "nothing failed" });
        await first.query("commit");
      }),
    );
  });

  test("a rolled-back first event leaves no watermark", async ({ expect }) => {
    await withClient(db, "app", async (client) => {
      await client.query("begin");
      await insert(client, "ws-undone");
      await client.query("rollback");
    });
    const { rowCount } = await app().query(
      "select from audit.audit_event_sequence where workspace_id = 'ws-undone'",
    );
    expect(rowCount).toBe(0);
  });

  test("the watermark moves at most once a second", async ({ expect }) => {
    await insert(app(), "ws-calm");
    const mark = () =>
      one(
        app(),
        "select last_created_at::text as at from audit.audit_event_sequence where workspace_id = 'ws-calm'",
      );
    const before = await mark();
    // Dated half a second after it, so that a slow machine does not matter.
    await insert(
      app(),
      "ws-calm",
      "(select last_created_at + interval '0.5 s' from audit.audit_event_sequence where workspace_id = 'ws-calm')",
    );
    expect(await mark()).toEqual(before);
    await sleep(1_200);
    await insert(app(), "ws-calm");
    expect(await mark()).not.toEqual(before);
  });

  test("the service's own events ask for no order", async ({ expect }) => {
    await insert(app(), "ws-service");
    const { id } = await one(app(), "select audit.insert_service_event($1) as id", [
      JSON.stringify(event({ workspace_id: "ws-service" })),
    ]);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });
});
