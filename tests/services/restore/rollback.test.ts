import { beforeEach, describe, expect, test } from "vitest";
import { useRestores } from "../../support/restores.ts";
import { act, get, keyOf, rollback, start, timeBetween } from "./support.ts";

const stage = useRestores();
const { sql } = stage;
const things = () => sql("select * from things order by id");

beforeEach(() =>
  sql(`
    drop table if exists things cascade;
    create table things (id int primary key, name text not null, n int);
    select audit.track('things');
    insert into things select g, 'old' || g, g from generate_series(1, 4) g;
  `),
);

/** Rows changed, deleted, inserted and renumbered; the restore undoes all of it. */
async function damaged() {
  const at = await timeBetween(stage);
  await sql("update things set name = 'bad' where id = 1");
  await sql("delete from things where id = 2");
  await sql("insert into things values (9, 'new', 9)");
  await sql("update things set id = 30 where id = 3");
  return { tables: ["public.things"], at };
}

const undone = async (options: object = {}) =>
  stage.restore(await damaged(), { strictDelete: true, ...options });

describe("rolling a restore back", () => {
  test("takes back inserts, updates, deletes and changed keys, and shows so at the restore", async () => {
    const target = await damaged();
    const before = await things();
    const run = await stage.restore(target, { strictDelete: true });
    expect(run).toMatchObject({ status: "completed", appliedCount: 4 });
    expect(await things()).toMatchObject([1, 2, 3, 4].map((id) => ({ id, name: `old${id}`, n: id })));
    const back = await rollback(stage, run.id, { incident: "INC-1" });
    expect(back).toMatchObject({
      status: "completed",
      appliedCount: 4,
      rollbackOf: run.id,
      incident: "INC-1",
    });
    expect(await things()).toEqual(before);
    expect(await get(stage, run.id)).toMatchObject({ status: "rolled_back", rollbackId: back.id });
  });

  test("is refused a second time, naming the first", async () => {
    const run = await undone();
    const back = await rollback(stage, run.id);
    const again = await act(stage, run.id, "rollback");
    expect(again.status).toBe(409);
    expect(again.body.detail).toContain(back.id);
  });

  test("can itself be rolled back, after which the restore stands again and can be rolled back again", async () => {
    const target = await damaged();
    const before = await things();
    const run = await stage.restore(target, { strictDelete: true });
    const restored = await things();
    const back = await rollback(stage, run.id);
    const forth = await rollback(stage, back.id);
    expect(forth).toMatchObject({ status: "completed", rollbackOf: back.id });
    expect(await things()).toEqual(restored);
    expect((await get(stage, back.id)).status).toBe("rolled_back");
    expect((await get(stage, run.id)).status).toBe("completed");
    expect(await rollback(stage, run.id)).toMatchObject({ status: "completed" });
    expect(await things()).toEqual(before);
  });

  test("is refused without a snapshot, of what changed nothing, and of a plan", async () => {
    const run = await undone({ createSnapshot: false });
    expect(run).toMatchObject({ status: "completed", snapshotId: null });
    expect((await act(stage, run.id, "rollback")).status).toBe(409);

    await sql("alter table things add constraint small check (n < 100) not valid");
    await sql("insert into things values (50, 'x', 50); delete from things where id = 50");
    await sql(
      `create function refuse_large() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
       create trigger refuse_large before insert on things for each row when (new.n >= 10) execute function refuse_large()`,
    );
    const failed = await stage.restore({ table: "public.things", recordId: "50" });
    expect(failed.status).toBe("failed");
    expect((await act(stage, failed.id, "rollback")).status).toBe(409);

    const plan = await stage.preview({ table: "public.things", recordId: "1" });
    expect((await act(stage, plan.body.id, "rollback")).status).toBe(404);
    expect((await act(stage, plan.body.id, "cancel")).status).toBe(409);
    expect((await act(stage, plan.body.id, "resume")).status).toBe(409);
  });

  test("that fails with nothing changed leaves the restore as it was, and can be tried again", async () => {
    const run = await undone();
    await sql(
      `create function refuse_bad() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '23514', constraint = 'no_bad'; end $$;
       create trigger refuse_bad before insert or update on things for each row when (new.name = 'bad') execute function refuse_bad()`,
    );
    const back = await rollback(stage, run.id);
    expect(back).toMatchObject({ status: "failed", report: { stop: { constraint: "no_bad" } } });
    expect((await get(stage, run.id)).status).toBe("completed");
    await sql("drop trigger refuse_bad on things");
    expect(await rollback(stage, run.id)).toMatchObject({ status: "completed" });
  });

  test("leaves no plan behind where it is refused", async () => {
    const run = await undone();
    await sql("update things set name = 'mine' where id = 1");
    const refused = await act(stage, run.id, "rollback");
    expect(refused).toMatchObject({ status: 409, body: { errors: [{ code: "changed_since" }] } });
    const left = await stage.db.rows("superuser", "select from audit.restore_runs where rollback_of = $1", [
      run.id,
    ]);
    expect(left).toEqual([]);
  });

  test("leaves rows that were changed since with skip", async () => {
    const run = await undone();
    await sql("update things set name = 'mine' where id = 1");
    expect(await rollback(stage, run.id, { onConflict: "skip" })).toMatchObject({
      status: "completed",
      appliedCount: 3,
      skippedCount: 1,
    });
    expect(await sql("select name from things where id = 1")).toEqual([{ name: "mine" }]);
  });

  test("writes over them with overwrite", async () => {
    const run = await undone();
    await sql("update things set name = 'mine' where id = 1");
    expect(await rollback(stage, run.id, { onConflict: "overwrite" })).toMatchObject({ status: "completed" });
    expect(await sql("select name from things where id = 1")).toEqual([{ name: "bad" }]);
  });

  test("is refused by rows that reference what it would delete, and says what to do about them", async () => {
    await sql("delete from things where id = 2");
    const run = await stage.restore({ table: "public.things", recordId: "2" });
    await sql(
      "drop table if exists parts; create table parts (id int primary key, thing int references things on delete cascade)",
    );
    const refusal = async () => {
      const { status, body } = await act(stage, run.id, "rollback");
      expect(status).toBe(409);
      expect(body.detail).not.toContain("strictDelete");
      return `${String(body.errors[0].code)}: ${String(body.detail)}`;
    };
    expect(await refusal()).toMatch(/^unseen_dependents: .*afterimage track public\.parts/);
    await sql("select audit.track('parts'); insert into parts values (1, 2)");
    expect(await refusal()).toMatch(/^dependents: .*Delete them/);
    await sql("delete from parts");
    expect(await rollback(stage, run.id)).toMatchObject({ status: "completed" });
    await sql("drop table parts");
  });

  test("of two at the same moment happens once", async () => {
    const run = await undone();
    const answers = await Promise.all([act(stage, run.id, "rollback"), act(stage, run.id, "rollback")]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 409]);
    const [won] = answers.filter(({ status }) => status === 202);
    expect(await stage.ended(won?.body.id)).toMatchObject({ status: "completed" });
  });
});

const plans = () =>
  stage.db.rows("superuser", "select count(*) from audit.restore_runs where status = 'planned'");

describe("two restores", () => {
  test("of the same row: the second is told of the first; of other rows: both run", async () => {
    await sql("update things set name = 'bad'");
    const lock = await stage.db.pool("admin").connect();
    await lock.query("begin; select from things where id = 1 for update");
    const first = await start(stage, { table: "public.things", recordId: "1" });
    const before = await plans();
    const second = await start(stage, { table: "public.things", recordId: "1" });
    expect(second).toMatchObject({
      status: 409,
      body: { errors: [{ code: "overlapping_restore", message: first.body.id }] },
    });
    expect(second.body.detail).toContain(`/api/restores/${first.body.id}`);
    expect(await stage.restore({ table: "public.things", recordId: "2" })).toMatchObject({
      status: "completed",
    });
    expect((await get(stage, first.body.id)).status).toBe("running");
    await lock.query("rollback");
    lock.release();
    expect(await stage.ended(first.body.id)).toMatchObject({ status: "completed" });
    expect(await plans()).toEqual(before);
  });

  test("of the same row at the same moment: exactly one begins", async () => {
    await sql("update things set name = 'bad'");
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => start(stage, { table: "public.things", recordId: "1" })),
    );
    const begun = answers.filter(({ status }) => status === 202);
    // One that comes after the first has ended finds another state, and may undo that.
    expect(begun.length).toBeGreaterThanOrEqual(1);
    const ids = begun.map(({ body }) => body.id);
    for (const id of ids) expect((await stage.ended(id)).status).toMatch(/completed|failed/);
    const overlaps = await stage.db.rows(
      "superuser",
      "select from audit.restore_runs a join audit.restore_runs b on a.id < b.id and b.started_at < a.ended_at where a.id = any ($1) and b.id = any ($1)",
      [ids],
    );
    expect(overlaps).toEqual([]);
  });
});

describe("a request that starts a restore", () => {
  test("starts one when it is sent twice with the same Idempotency-Key", async () => {
    await sql("update things set name = 'bad'");
    const body = { target: { table: "public.things", recordId: "1" }, reason: "test" };
    const send = () => stage.call("POST", "/restores", { body, headers: { "idempotency-key": "once-1" } });
    const first = await send();
    expect(first.status).toBe(202);
    await stage.ended(first.body.id);
    const second = await send();
    expect([second.status, second.body.id, second.headers.get("idempotent-replay")]).toEqual([
      202,
      first.body.id,
      "true",
    ]);
  });

  test("needs the scope that says so, and a key without limits", async () => {
    const run = await undone();
    const [reader, runner, approver, limited] = [
      await keyOf(stage, "r", { scopes: ["restores:read"] }),
      await keyOf(stage, "s", { scopes: ["restores:run"] }),
      await keyOf(stage, "a", { scopes: ["restores:approve"] }),
      await keyOf(stage, "l", { workspaces: ["ws-1"] }),
    ];
    const target = { table: "public.things", recordId: "1" };
    const requests = {
      read: [
        ["GET", "/restores"],
        ["GET", `/restores/${run.id}`],
        ["GET", `/restores/${run.id}/items`],
      ],
      run: [
        ["POST", "/restores/preview", { target, reason: "test" }],
        ["POST", "/restores", { target, reason: "test" }],
        ["POST", `/restores/${run.id}/cancel`],
        ["POST", `/restores/${run.id}/resume`],
        ["POST", `/restores/${run.id}/side-effects`],
        ["POST", `/restores/${run.id}/rollback`, { reason: "test" }],
      ],
      approve: [
        ["POST", `/restores/${run.id}/approve`, {}],
        ["POST", `/restores/${run.id}/reject`, {}],
      ],
    } as const;
    for (const [need, some] of Object.entries(requests)) {
      for (const [method, path, body] of some) {
        const status = async (key: string) =>
          (await stage.call(method, path, { key, ...(body ? { body } : {}) })).status;
        const seen = {
          read: await status(reader),
          run: await status(runner),
          approve: await status(approver),
        };
        for (const [scope, code] of Object.entries(seen)) {
          const where = `${method} ${path} with ${scope}`;
          expect(code === 403, `${where}: ${code}`).toBe(scope !== need);
        }
        expect(await status(limited), `${method} ${path}`).toBe(403);
      }
    }
    for (const verb of ["cancel", "resume", "rollback", "side-effects", "approve", "reject"]) {
      expect((await act(stage, "00000000-0000-7000-8000-000000000000", verb)).status).toBe(404);
    }
  });
});

test("lists show restores newest first, by status and page by page; items come in pages", async () => {
  const run = await undone();
  const page = async (query: string) => (await stage.call("GET", `/restores?${query}`)).body;
  const ids: string[] = [];
  for (let cursor = ""; ;) {
    const { items, nextCursor } = await page(`limit=1${cursor}`);
    ids.push(...items.map((one: { id: string }) => one.id));
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  expect(ids[0]).toBe(run.id);
  expect(ids).toEqual(ids.toSorted().toReversed());
  expect(new Set(ids).size).toBe(ids.length);
  await stage.preview({ table: "public.things", recordId: "1" });
  const planned = (await page("status=planned")).items;
  expect(planned[0]).toMatchObject({ status: "planned" });
  expect((await page("limit=1000")).items.map((one: { id: string }) => one.id)).toEqual(ids);
  const { nextCursor } = await page("limit=1");
  expect((await stage.call("GET", `/restores?limit=1&status=completed&cursor=${nextCursor}`)).status).toBe(
    400,
  );
  const whole = await stage.items(run.id);
  const first = (await stage.call("GET", `/restores/${run.id}/items?limit=3`)).body;
  const second = (await stage.call("GET", `/restores/${run.id}/items?limit=3&cursor=${first.nextCursor}`))
    .body;
  expect([...first.items, ...second.items]).toEqual(whole);
  expect(second.nextCursor).toBeNull();
});

test("a rollback also takes back what the application's triggers changed during the restore", async () => {
  await sql("update things set name = 'bad' where id = 1");
  await sql(`
    create or replace function stamp() returns trigger language plpgsql as $$ begin new.n := 99; return new; end $$;
    create trigger stamp before update on things for each row when (new.name like 'old%') execute function stamp()`);
  const before = await things();
  const run = await stage.restore({ table: "public.things", recordId: "1" });
  expect((await things())[0]).toMatchObject({ name: "old1", n: 99 });
  expect(await rollback(stage, run.id)).toMatchObject({ status: "completed" });
  expect(await things()).toEqual(before);
});

test("a row that stays keeps the row that it references, where conflicts are skipped", async () => {
  await sql(`
    drop table if exists parts; create table parts (id int primary key, thing int references things on delete cascade, v text);
    select audit.track('parts'); insert into parts values (1, 1, 'a'), (2, 2, 'b')`);
  await sql("delete from things where id in (1, 2)");
  const { transactionId } = (await stage.call("GET", "/history/public.things/1?limit=1")).body.items[0];
  const run = await stage.restore({ transactionId });
  expect(run).toMatchObject({ status: "completed", appliedCount: 4 });
  await sql("update parts set v = 'mine' where id = 1");
  const back = await rollback(stage, run.id, { onConflict: "skip" });
  expect(back).toMatchObject({ status: "completed", appliedCount: 2, skippedCount: 2 });
  expect(await sql("select t.id, p.v from things t join parts p on p.thing = t.id")).toEqual([
    { id: 1, v: "mine" },
  ]);
  await sql("drop table parts");
});
