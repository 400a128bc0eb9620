import { beforeEach, describe, expect, test } from "vitest";
import { usePlans } from "./stage.ts";

const stage = usePlans();
const { sql } = stage;

beforeEach(async () => {
  await sql(`
    drop schema if exists app cascade; create schema app;
    create table app.a (id int primary key, v text, j jsonb); create table app.b (id int primary key, a int references app.a on delete cascade, m numeric);
    create table app.plain (id int primary key);
    select audit.track('app.a'), audit.track('app.b');
    insert into app.a select n, 'v' || n, jsonb_build_object('n', n) from generate_series(1, 3) n; insert into app.b select n, 1 + n % 3, n * 1.10 from generate_series(1, 6) n;`);
});

const start = (body: unknown) => stage.call("POST", "/restores", { body });
const AUDIT =
  "audit_logs audit_events restore_runs restore_items restore_outcomes restore_chunks restore_snapshot_rows restore_steps restore_effects workflow_requests alerts tracked_tables capture_gaps";

/** A count and a checksum of each table of ours and of the application. */
async function fingerprint(): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const table of ["app.a", "app.b", "app.plain", ...AUDIT.split(" ").map((name) => `audit.${name}`)]) {
    const [row] = await sql(
      `select count(*)::int as n, sum(hashtextextended(t::text, 0))::text as sum, min(xmin::text) as x from ${table} t`,
    );
    found[table] = row;
  }
  return found;
}

describe("a preview", () => {
  test("stores its plan and touches nothing else", async () => {
    await sql("delete from app.a where id = 1");
    const before = await fingerprint();
    const { body, status } = await stage.preview({ table: "app.a", recordId: "1" });
    expect({ status, items: body.itemCount }).toEqual({ status: 201, items: 3 });
    const after = await fingerprint();
    const changed = Object.keys(after).filter(
      (name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]),
    );
    expect(changed).toEqual(["audit.restore_runs", "audit.restore_items"]);
    expect(stage.flows.runtime).toBeDefined();
  });

  test("shows as items just what the tables hold after the restore, column by column", async () => {
    const at = await stage.moment();
    await sql(
      "delete from app.a where id = 1; update app.a set v = 'x', j = null where id = 2; update app.b set m = 0 where id = 1; insert into app.b values (9, 2, 9)",
    );
    const target = { tables: ["app.a", "app.b"], at };
    const before = await images();
    const { items } = await stage.restored(target, { strictDelete: true });
    const after = await images();
    const shown: string[] = [];
    for (const item of items as {
      table: string;
      recordId: string;
      action: string;
      changes: Record<string, { restored: unknown }>;
    }[]) {
      if (item.action === "delete") shown.push(JSON.stringify([item.table, item.recordId, "gone"]));
      else
        for (const [column, { restored }] of Object.entries(item.changes))
          shown.push(JSON.stringify([item.table, item.recordId, column, restored]));
    }
    expect(shown.toSorted()).toEqual(differences(before, after).toSorted());
  });

  test("of the same has the same digest, and another one when anything it rests on changes", async () => {
    await sql("delete from app.a where id = 1");
    const target = { table: "app.a", recordId: "1" };
    const digest = async () => (await stage.preview(target)).body.digest as string;
    const first = await digest();
    expect(await digest()).toBe(first);
    const changes = [
      "alter table app.b add column extra text",
      "insert into app.a values (1, 'again', null)",
      "update app.a set v = 'other' where id = 1",
      "delete from app.a where id = 1",
    ];
    const digests = [first];
    for (const change of changes) {
      const planned = await stage.preview(target);
      await sql(change);
      const { status, body } = await start({ planId: planned.body.id, digest: planned.body.digest });
      expect({ change, status }).toEqual({ change, status: 409 });
      expect(body.detail).toMatch(/Preview again/);
      digests.push(await digest());
    }
    expect(new Set(digests).size).toBe(digests.length);
  });

  test("can be started for a day, once, and by its own digest", async () => {
    await sql("delete from app.b where id in (1, 2)");
    const plan = async (recordId: string) => (await stage.preview({ table: "app.b", recordId })).body;
    const [one, two] = [await plan("1"), await plan("2")];
    const lifetimeMs = Date.parse(one.expiresAt) - Date.parse(one.createdAt);
    expect(Math.round(lifetimeMs / 3_600_000)).toBe(24);
    const begin = async (planId: string, digest: string) => {
      const { status, body } = await start({ planId, digest });
      return { status, detail: body.detail };
    };
    expect(await begin(one.id, two.digest)).toMatchObject({
      status: 409,
      detail: expect.stringContaining("Preview again"),
    });
    await stage.db.rows("superuser", "update audit.restore_runs set expires_at = now() where id = $1", [
      one.id,
    ]);
    expect(await begin(one.id, one.digest)).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/expired.*Preview again/),
    });
    expect((await begin(two.id, two.digest)).status).toBe(202);
    expect(await begin(two.id, two.digest)).toMatchObject({
      status: 409,
      detail: expect.stringContaining(`/api/restores/${two.id}`),
    });
    await stage.ended(two.id);
    expect((await begin("0199aaaa-0000-7000-8000-000000000000", one.digest)).status).toBe(404);
  });

  test("is not what it was when a parent vanishes", async () => {
    await sql("delete from app.b where id = 1");
    const planned = await stage.preview({ table: "app.b", recordId: "1" });
    await sql("delete from app.a where id = 2");
    const { status } = await start({ planId: planned.body.id, digest: planned.body.digest });
    expect(status).toBe(409);
    const again = await stage.preview({ table: "app.b", recordId: "1" });
    expect(again.body.itemCount).toBeGreaterThan(1);
  });

  test("names the times in which the history is not whole, even where it found nothing", async () => {
    const at = await stage.moment();
    await sql("select audit.switch_capture(false)");
    await sql("delete from app.a where id = 3");
    await sql("select audit.switch_capture(true)");
    expect(await stage.problems({ tables: ["app.a"], at })).toContain("loss history_gap");
  });
});

async function images(): Promise<Map<string, Record<string, unknown>>> {
  const rows = await sql(
    `select 'app.a' as t, id, to_jsonb(a)::text as image from app.a union all select 'app.b', id, to_jsonb(b)::text from app.b`,
  );
  return new Map(
    rows.map(({ t, id, image }) => [JSON.stringify([t, String(id)]), JSON.parse(image as string)]),
  );
}

/** [table, key, column, value] of all that became another value; [table, key, "gone"]. */
function differences(
  before: Map<string, Record<string, unknown>>,
  after: Map<string, Record<string, unknown>>,
): string[] {
  const found: string[] = [];
  for (const [key, image] of after) {
    for (const [column, value] of Object.entries(image)) {
      const was = before.get(key);
      if (!was || JSON.stringify(was[column]) !== JSON.stringify(value)) {
        found.push(JSON.stringify([...JSON.parse(key), column, value]));
      }
    }
  }
  for (const key of before.keys())
    if (!after.has(key)) found.push(JSON.stringify([...JSON.parse(key), "gone"]));
  return found;
}

describe("bad input", () => {
  const recordOf = (table: string, recordId = "1", to?: unknown) => ({
    table,
    recordId,
    ...(to ? { to } : {}),
  });
  const now = () => new Date().toISOString();

  test.each<[string, () => unknown, number, RegExp]>([
    ["an unknown table", () => recordOf("app.nope"), 404, /app\.nope/],
    ["an unknown schema", () => ({ tables: ["nope.a"], at: now() }), 404, /nope\.a/],
    ["an untracked table", () => recordOf("app.plain"), 409, /npx afterimage track app\.plain/],
    ["an unknown record", () => recordOf("app.a", "99"), 404, /record/],
    ["an unknown entry", () => recordOf("app.a", "1", { entryId: "999999999" }), 404, /entry/],
    ["an unknown transaction", () => ({ transactionId: "9223372036854775" }), 404, /transaction/],
    ["an unknown actor", () => ({ actor: "nobody", from: "2000-01-01T00:00:00Z", to: now() }), 404, /actor/],
    [
      "a time before the history",
      () => ({ tables: ["app.a"], at: "2001-01-01T00:00:00Z" }),
      409,
      /begins at/,
    ],
    [
      "a record's time before the history",
      () => recordOf("app.a", "1", { time: "2001-01-01T00:00:00Z" }),
      409,
      /begins at/,
    ],
    ["a time in the future", () => ({ tables: ["app.a"], at: "2900-01-01T00:00:00Z" }), 400, /.*/],
    [
      "a window that ends before it begins",
      () => ({ actor: "eve", from: now(), to: "2001-01-01T00:00:00Z" }),
      400,
      /.*/,
    ],
    ["SQL for a table", () => recordOf(`app.a"; drop table app.a; --`), 404, /.*/],
    ["SQL for a key", () => recordOf("app.a", `1' or true; drop table app.a; --`), 404, /.*/],
    [
      "SQL for an actor",
      () => ({ actor: "x' or '1'='1", from: "2000-01-01T00:00:00Z", to: now() }),
      404,
      /.*/,
    ],
    ["NUL in a key", () => recordOf("app.a", "1\0"), 400, /.*/],
    ["a lone surrogate in a key", () => recordOf("app.a", "\ud800"), 400, /.*/],
    ["wrong types", () => ({ table: ["app.a"], recordId: 1 }), 400, /.*/],
    ["two targets in one", () => ({ ...recordOf("app.a"), transactionId: "1" }), 400, /.*/],
    ["no target", () => ({}), 400, /.*/],
    ["a number beyond the transactions", () => ({ transactionId: "99999999999999999999" }), 400, /.*/],
    ["too many tables", () => ({ tables: Array.from({ length: 51 }, () => "app.a"), at: now() }), 400, /.*/],
  ])("%s is refused in words, and nothing is written", async (_, target, status, words) => {
    await sql("delete from app.a where id = 3");
    const before = await fingerprint();
    for (const path of ["/restores/preview", "/restores"]) {
      const answer = await stage.call("POST", path, { body: { target: target(), reason: "r" } });
      expect(answer.status).toBe(status);
      expect(answer.body.detail).toMatch(words);
    }
    expect(await fingerprint()).toEqual(before);
  });

  test.each<[string, (at: string) => unknown, number]>([
    ["an unknown column", () => ({ nope: 1 }), 400],
    ["SQL for a column", () => ({ 'id" = 1 or true --': 1 }), 400],
    ["a value of another type", () => ({ id: "abc" }), 400],
    ["a number beyond the type", () => ({ id: 1e300 }), 400],
    ["a list in a list", () => ({ id: [[1]] }), 400],
    ["too many values", () => ({ id: Array.from({ length: 1001 }, (__, n) => n) }), 400],
    ["an empty list", () => ({ id: [] }), 400],
    ["NUL in a value", () => ({ v: "\0" }), 400],
    ["a lone surrogate in a value", () => ({ v: "\ud800" }), 400],
    ["SQL for a value", () => ({ v: "x' or true --" }), 201],
  ])("in a filter, %s is refused or finds nothing", async (_, where, status) => {
    const at = await stage.moment();
    await sql("delete from app.a where id = 3");
    const { body, status: answered } = await stage.preview({ tables: ["app.a"], at, where: where(at) });
    expect({ answered, code: body.code ?? null }).toMatchObject({ answered: status });
    if (status === 201) expect(body.itemCount).toBe(0);
    expect(await sql("select count(*)::int as n from app.a")).toEqual([{ n: 2 }]);
  });

  test.each([
    ["no reason", {}],
    ["an empty reason", { reason: " " }],
    ["an unknown option", { reason: "r", options: { force: true } }],
    ["an unknown way out of a conflict", { reason: "r", options: { onConflict: "ignore" } }],
    ["no column", { reason: "r", options: { columns: [] } }],
  ])("%s is a 400", async (_, more) => {
    for (const path of ["/restores/preview", "/restores"]) {
      const { status } = await stage.call("POST", path, {
        body: { target: { table: "app.a", recordId: "1" }, ...more },
      });
      expect(status).toBe(400);
    }
  });

  test("a filter of a thousand values is taken", async () => {
    const at = await stage.moment();
    await sql("delete from app.a where id = 3");
    const where = { id: Array.from({ length: 1_000 }, (_, n) => n) };
    expect((await stage.preview({ tables: ["app.a"], at, where })).body.itemCount).toBe(3);
  });
});
