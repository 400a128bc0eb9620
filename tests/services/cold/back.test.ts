import { beforeAll, describe, expect, test } from "vitest";
import { proveColdEvent } from "../../../services/cold/prove.ts";
import { planCold } from "../../../services/cold/plan.ts";
import { expectProblem } from "../../api/support.ts";
import { archiveAll, setPolicy, vacuum, whereabouts } from "../../db/archive/support.ts";
import { withClient } from "../../db/helpers.ts";
import { newId, useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";

const api = useApi();
const archive = useArchive({ encrypted: true });
const at = (month: string, time: string) => `${month.slice(0, 7)}-${time}`;
const COLUMNS = "to_jsonb(e) - 'archived_at' || jsonb_build_object('jsons', e.old_values::text) as event";

beforeAll(() => void (api.runtime.archive = archive));

/** Events of a month that is cold, and what the database held of them before. */
async function coldMonth(ago: number, count = 3) {
  const [month, ws] = [monthsAgo(ago), newId("ws")];
  const ids = await storeEvents(
    api.db,
    "audit_events_archive",
    Array.from({ length: count }, (_, i) => ({
      created_at: at(month, `1${i}T12:00:00.000123Z`),
      workspace_id: ws,
      occurred_at: "1969-12-31T23:59:59.123457Z",
      old_values: { big: [1, { "": null }], text: "\u0007 😀 \\" },
      changed_fields: [],
      tags: ["a", 'with "quotes"', null],
      ip_address: "2001:db8::1",
      user_agent: "\u0001\t\\",
    })),
  );
  await api.db.rows("superuser", "select audit.ensure_retention_policy($1)", [ws]);
  const stored = await rowsOf("audit_events_archive", ws);
  await makeCold(contextOf(api, archive), month);
  return { month, ws, ids, stored };
}

const rowsOf = (table: string, ws: string) =>
  api.db.rows<{ event: { id: string } }>(
    "superuser",
    `select ${COLUMNS} from audit.${table} e where workspace_id = $1 and resource_type = 'thing' order by id`,
    [ws],
  );

const unarchive = (id = "", options = {}) =>
  api.call("POST", `/audit/events/${id}/unarchive`, { body: { reason: "An audit" }, ...options });

/** By every way in which events are found: the list, its total, one by its id, the export. */
async function found(ws: string, id: string) {
  const filter = `workspaceId=${ws}&resourceType=thing`;
  const { body } = await api.call("GET", `/audit/events?${filter}&includeTotal=true`);
  const file = await api.call("GET", `/audit/events/export?${filter}&format=ndjson`);
  const exported = String(file.body)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).id as string);
  return {
    listed: body.items.map((one: { id: string }) => one.id).toSorted(),
    total: body.total,
    exported: exported.toSorted(),
    archivedAt: (await api.call("GET", `/audit/events/${id}`)).body.archivedAt,
  };
}

async function letGo(): Promise<void> {
  await api.db.asOwner("update audit_archive_pins set pinned_until = now() - interval '1 second'");
  await archiveAll(api.db);
  await vacuum(api.db);
}

const partsOf = async (month: string) =>
  (await api.db.rows<{ part: number }>("app", "select part from cold_months where month = $1", [month]))
    .length;

describe("an event that is brought back from a cold file", () => {
  test("is hot as it was, to the last digit, in a month that was gone, and found once by every read", async () => {
    const { ws, ids, stored } = await coldMonth(40);
    const [, id = ""] = ids;
    const cold = await found(ws, id);
    expect(cold).toMatchObject({ listed: ids.toSorted(), total: 3, exported: ids.toSorted() });
    expect((await unarchive(id)).status).toBe(200);
    expect(await rowsOf("audit_events", ws)).toEqual(stored.filter(({ event }) => event.id === id));
    expect(await found(ws, id)).toEqual({ ...cold, archivedAt: null });
  });

  test("is logged like every move, with the file that it came from", async () => {
    const { ws, ids } = await coldMonth(41);
    await unarchive(ids[0]);
    const log = await api.db.rows(
      "app",
      `select deleted_by_user_id as by, deletion_reason as reason, is_irrevocable as gone, details ->> 'from' as "from"
       from audit_deletion_log where subject_id = $1`,
      [ids[0]],
    );
    const [file] = await api.db.rows("app", "select object_key from cold_months where workspaces @> $1", [
      [ws],
    ]);
    expect(log).toEqual([{ by: "user-test", reason: "An audit", gone: false, from: file?.object_key }]);
    const { body } = await api.call(
      "GET",
      `/audit/events?workspaceId=${ws}&actionType=UNARCHIVE_AUDIT_EVENT`,
    );
    expect(body.items).toMatchObject([{ resourceId: ids[0], createdByUserId: "user-test" }]);
  });

  test("goes back by archive to the copy that its file still has, and is found once on the way", async () => {
    const { month, ws, ids } = await coldMonth(42);
    const [id = ""] = ids;
    const cold = await found(ws, id);
    await unarchive(id);
    await letGo();
    expect((await whereabouts(api.db, ws)).archived).toEqual([id]);
    expect(await found(ws, id)).toMatchObject({ listed: cold.listed, total: 3, exported: cold.exported });
    const ctx = contextOf(api, archive);
    expect((await planCold(ctx)).months).toContain(month);
    expect(await makeCold(ctx, month)).toBe(0);
    expect(await partsOf(month)).toBe(1);
    expect((await whereabouts(api.db, ws)).archived).toEqual([]);
    expect(await found(ws, id)).toEqual(cold);
    expect((await unarchive(id)).status).toBe(200);
    expect(await found(ws, id)).toEqual({ ...cold, archivedAt: null });
  });

  test("is written to a further file beside a late event, when it was changed, and its old copy stays hidden", async () => {
    const { month, ws, ids } = await coldMonth(43);
    const [id = "", other = ""] = ids;
    await unarchive(id);
    await unarchive(other);
    await withClient(api.db, "superuser", async (client) => {
      await client.query("set session_replication_role = replica");
      // As an erasure would.
      await client.query("update audit.audit_events set user_agent = 'erased' where id = $1", [id]);
    });
    await letGo();
    await storeEvents(api.db, "audit_events_archive", [
      { created_at: at(month, "20T00:00:00Z"), workspace_id: ws },
    ]);
    await makeCold(contextOf(api, archive), month);
    const files = await api.db.rows(
      "app",
      "select row_count::int as rows from cold_months where month = $1 order by part",
      [month],
    );
    expect(files).toEqual([{ rows: 3 }, { rows: 2 }]);
    const { body } = await api.call(
      "GET",
      `/audit/events?workspaceId=${ws}&resourceType=thing&includeTotal=true`,
    );
    expect([body.items.length, body.total]).toEqual([4, 4]);
    expect((await api.call("GET", `/audit/events/${id}`)).body.userAgent).toBe("erased");
  });

  test("hides its copy also where the one in hot storage does not match", async () => {
    const { ws, ids } = await coldMonth(44);
    const [id = ""] = ids;
    await unarchive(id);
    await withClient(api.db, "superuser", async (client) => {
      await client.query("set session_replication_role = replica");
      await client.query(
        "update audit.audit_events set deleted_at = now(), deletion_reason = 'asked for' where id = $1",
        [id],
      );
    });
    expect((await api.call("GET", `/audit/events/${id}`)).status).toBe(404);
    const { body } = await api.call(
      "GET",
      `/audit/events?workspaceId=${ws}&resourceType=thing&includeTotal=true`,
    );
    expect([body.items.length, body.total]).toEqual([2, 2]);
    expectProblem(await unarchive(id), 404, "not_found");
  });

  test("comes once, however many ask at the same time", async () => {
    const { ws, ids } = await coldMonth(45);
    const answers = await Promise.all([unarchive(ids[0]), unarchive(ids[0]), unarchive(ids[0])]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await whereabouts(api.db, ws)).hot.filter((id) => id === ids[0])).toHaveLength(1);
    expect((await found(ws, ids[0] ?? "")).total).toBe(3);
  });

  test("is found once by everybody who reads meanwhile", async () => {
    const { ws, ids } = await coldMonth(49, 8);
    const reads: Promise<unknown>[] = [];
    const moves = ids.map(async (id) => {
      for (let i = 0; i < 4; i++) reads.push(found(ws, id).then(({ archivedAt: _, ...rest }) => rest));
      return unarchive(id);
    });
    for (const { status } of await Promise.all(moves)) expect(status).toBe(200);
    const all = ids.toSorted();
    for (const read of await Promise.all(reads))
      expect(read).toEqual({ listed: all, total: 8, exported: all });
  });

  test("is another tenant's for a key that may not see it", async () => {
    const { ws, ids } = await coldMonth(46);
    const key = await api.mintKey({ workspaces: [newId("ws")] });
    expectProblem(await unarchive(ids[0], { key }), 404, "not_found");
    expect((await whereabouts(api.db, ws)).hot).toEqual([]);
  });
});

describe("a purged file", () => {
  async function purge(ws: string): Promise<void> {
    const [file] = await api.db.rows<{ id: string }>(
      "app",
      "select id::text from cold_months where workspaces @> $1 order by part limit 1",
      [[ws]],
    );
    const [approved] = await api.db.rows<{ id: string }>(
      "superuser",
      `insert into audit.purges (status, files, summary, expires_at, decision, decided_by_user_id, decided_at)
       values ('approved', array[$1::uuid], '{}', now() + interval '1 day', 'approved', 'boss', now()) returning id::text`,
      [file?.id],
    );
    const [end] = await api.db.rows("worker", "select audit.begin_file_purge($1, $2, '{}') as state", [
      approved?.id,
      file?.id,
    ]);
    expect(end).toEqual({ state: "purged" });
  }

  test("gives back no event, and the refusal says why and where to look", async () => {
    const { month, ws, ids } = await coldMonth(100);
    await purge(ws);
    const answer = await unarchive(ids[0]);
    expectProblem(answer, 404, "not_found");
    expect(answer.body.detail).toContain(`If it was of ${month.slice(0, 7)}, it was purged`);
    expect(answer.body.detail).toContain("GET /api/purges");
    await expect(api.db.rows("admin", "select unarchive_audit_event($1)", [ids[0]])).rejects.toMatchObject({
      code: "P0002",
    });
  });

  test("does not take the event along that is hot again, which becomes cold anew", async () => {
    const { month, ws, ids } = await coldMonth(101);
    const [id = ""] = ids;
    await unarchive(id);
    await purge(ws);
    expect(await found(ws, id)).toMatchObject({ listed: [id], total: 1, exported: [id], archivedAt: null });
    await letGo();
    expect(await makeCold(contextOf(api, archive), month)).toBe(1);
    expect(await found(ws, id)).toMatchObject({ listed: [id], total: 1, exported: [id] });
  });

  test("that goes between the look into it and the move keeps the event from coming back", async () => {
    const { ws, ids } = await coldMonth(102);
    const proven = await proveColdEvent({ db: api.runtime.app.db, archive }, ids[0] ?? "", null);
    await purge(ws);
    const move = api.db.rows("app", "select audit.unarchive_cold_event($1, $2, $3, $4, 30, 'u', null)", [
      proven?.fileId,
      proven?.row,
      proven?.line,
      proven?.digests,
    ]);
    await expect(move).rejects.toMatchObject({ code: "P0002" });
  });
});

test("the database takes no event of which nobody proves that the file holds it", async () => {
  const { ws, ids } = await coldMonth(47);
  const proven = await proveColdEvent({ db: api.runtime.app.db, archive }, ids[1] ?? "", null);
  const attempt = (change: Record<string, unknown>) => {
    const { fileId, row, line, digests } = { ...proven, ...change };
    return api.db.rows("app", "select audit.unarchive_cold_event($1, $2, $3, $4, 30, 'u', null)", [
      fileId,
      row,
      line,
      digests,
    ]);
  };
  const forged = proven?.line.replace(ws, "ws-forged");
  for (const change of [
    { line: forged },
    { row: 1 },
    { row: 0 },
    { row: 4 },
    { digests: proven?.digests.slice(32) },
    { digests: Buffer.alloc(96) },
    { line: null },
    { row: null },
  ]) {
    await expect(attempt(change)).rejects.toMatchObject({ code: "42501" });
  }
  await expect(attempt({ fileId: crypto.randomUUID() })).rejects.toMatchObject({ code: "P0002" });
  expect((await whereabouts(api.db, ws)).hot).toEqual([]);
  await attempt({});
  expect((await whereabouts(api.db, ws)).hot).toContain(ids[1]);
});

test("in SQL an event of a cold file is refused with what reads it", async () => {
  const { ids, ws } = await coldMonth(48);
  await setPolicy(api.db, ws, 90);
  await expect(api.db.rows("admin", "select unarchive_audit_event($1)", [ids[0]])).rejects.toMatchObject({
    code: "P0002",
    hint: expect.stringContaining("POST /api/audit/events/{id}/unarchive"),
  });
});
