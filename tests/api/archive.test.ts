import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import {
  archiveAll,
  archiveMonth,
  firstOf,
  plan,
  setPolicy,
  storeOldEvents,
  whereabouts,
} from "../db/archive/support.ts";
import { month, one } from "../db/helpers.ts";
import { parseCsv } from "../support/csv.ts";
import { expectProblem, newEvent } from "./support.ts";

const api = useApi();

/** Events in hot storage, in a month that moved whole, and in one of which a part moved. */
async function spread() {
  const [ws, stays] = [newId("ws"), newId("ws")];
  await setPolicy(api.db, stays, 3_000);
  await storeOldEvents(api.db, { workspace: stays, month: -6 });
  const archived = [
    ...(await storeOldEvents(api.db, { workspace: ws, month: -7, count: 4 })),
    ...(await storeOldEvents(api.db, { workspace: ws, month: -6, count: 4 })),
  ];
  await archiveAll(api.db);
  const hot: string[] = [];
  for (let i = 0; i < 3; i++)
    hot.push((await api.call("POST", "/audit/log", { body: newEvent(ws, { actionType: "TEST" }) })).body.id);
  expect(await whereabouts(api.db, ws)).toEqual({ hot: hot.toSorted(), archived: archived.toSorted() });
  return { ws, hot, archived, all: [...hot, ...archived].toSorted() };
}

const ids = (items: { id: string }[]) => items.map((one) => one.id);

describe("events in hot storage and in the archive", () => {
  test("are one list, page by page, newest first, each once", async () => {
    const { ws, all, archived } = await spread();
    for (const limit of [1, 2, 3, 5, 11, 50]) {
      const found: { id: string; createdAt: string; archivedAt: string | null }[] = [];
      let cursor = "";
      do {
        const { body } = await api.call(
          "GET",
          `/audit/events?workspaceId=${ws}&actionType=TEST&limit=${limit}${cursor}`,
        );
        found.push(...body.items);
        cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : "";
      } while (cursor);
      expect(ids(found).toSorted()).toEqual(all);
      expect(found.map((one) => one.createdAt)).toEqual(
        found
          .map((one) => one.createdAt)
          .toSorted()
          .toReversed(),
      );
      expect(ids(found.filter((one) => one.archivedAt !== null)).toSorted()).toEqual(archived.toSorted());
    }
    const { body } = await api.call(
      "GET",
      `/audit/events?workspaceId=${ws}&actionType=TEST&includeTotal=true&limit=1`,
    );
    expect(body.total).toBe(all.length);
  });

  test("are found however far back they lie, and whatever else is asked", async () => {
    const ws = newId("ws");
    // Ten years, more and more of them in between that the filter leaves out.
    const wanted: string[] = [];
    for (const back of [-5, -14, -30, -60, -120]) {
      await storeOldEvents(api.db, { workspace: ws, month: back, count: 6 });
      const [id = ""] = await storeOldEvents(api.db, { workspace: ws, month: back, count: 1 });
      wanted.push(id);
      await api.db.rows(
        "superuser",
        `set role audit_keeper; update audit.audit_events set tags = '{kept}' where id = '${id}'; reset role`,
      );
    }
    await archiveAll(api.db);
    for (const filter of ["", "&actorId=u-1", "&resourceType=thing&resourceId=t-1", "&resourceId=t-1"]) {
      for (const limit of [2, 3, 50]) {
        const found: string[] = [];
        let cursor = "";
        do {
          const { body } = await api.call(
            "GET",
            `/audit/events?workspaceId=${ws}&tag=kept&limit=${limit}${filter}${cursor}`,
          );
          found.push(...ids(body.items));
          cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : "";
        } while (cursor);
        expect([filter, limit, ...found]).toEqual([filter, limit, ...wanted]);
      }
    }
  });

  test("answer to the same filters, and to a window of time alone", async () => {
    const { ws } = await spread();
    const count = async (filter: string) =>
      (await api.call("GET", `/audit/events?workspaceId=${ws}&actionType=TEST&${filter}`)).body.items.length;
    expect(await count("resourceId=t-1&resourceType=thing")).toBe(2 + 3);
    expect(await count("actorId=u-1")).toBe(4);
    expect(await count(`from=${firstOf(-7)}T00:00:00Z&to=${firstOf(-6)}T00:00:00Z`)).toBe(4);
    expect(await count(`to=${firstOf(-5)}T00:00:00Z`)).toBe(8);
    expect(await count(`from=${firstOf(-1)}T00:00:00Z`)).toBe(3);
    expect(await count("to=2900-01-01T00:00:00Z")).toBe(11);
  });

  test("are found by id, whoever made the id, and exported whole", async () => {
    const { ws, all } = await spread();
    const foreign = crypto.randomUUID();
    await api.db.rows(
      "superuser",
      `set role audit_keeper; insert into audit.audit_events_archive (id, created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id) values ('${foreign}', '${firstOf(-7)}', '${ws}', 'u', 'TEST', 't', 'r'); reset role`,
    );
    for (const id of [...all, foreign]) {
      expect((await api.call("GET", `/audit/events/${id}`)).body.id).toBe(id);
    }
    // The time in the last of these is of the year 10889.
    for (const id of [crypto.randomUUID(), "ffffffff-ffff-7fff-bfff-ffffffffffff"]) {
      expectProblem(await api.call("GET", `/audit/events/${id}`), 404, "not_found");
      expectProblem(await api.call("POST", `/audit/events/${id}/unarchive`, { body: {} }), 404, "not_found");
    }
    const { body } = await api.call(
      "GET",
      `/audit/events/export?format=ndjson&workspaceId=${ws}&actionType=TEST`,
    );
    const exported = (body as string)
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { id: string }).id);
    expect(exported.toSorted()).toEqual([...all, foreign].toSorted());
    const csv = await api.call("GET", `/audit/events/export?format=csv&workspaceId=${ws}&actionType=TEST`);
    const isArchived = parseCsv(csv.body as string).map((row) => row.archivedAt !== "");
    expect([isArchived.filter(Boolean).length, isArchived.length]).toEqual([9, 12]);
  });

  test("are both in get_audit_trail() and vw_security_audit", async () => {
    const { ws, all } = await spread();
    const trail = await api.db.rows("app", "select id from get_audit_trail($1, p_days_back => 400)", [ws]);
    expect(trail.map((row) => row.id as string).toSorted()).toEqual(all);
    const { n } = await one<{ n: number }>(
      api.db.pool("app"),
      "select count(*)::int as n from get_audit_trail($1)",
      [ws],
    );
    expect(n).toBe(3);
    await api.db.rows(
      "superuser",
      `set role audit_keeper; insert into audit.audit_events_archive (created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id) values ('${firstOf(-7)}', '${ws}', 'u', 'DELETE_USER', 't', 'r'); reset role`,
    );
    const seen = await api.db.rows(
      "app",
      "select action_type from vw_security_audit where workspace_id = $1",
      [ws],
    );
    expect(seen).toEqual([{ action_type: "DELETE_USER" }]);
  });

  test("answer a repeated eventId with when the event was stored, long after it was archived", async () => {
    const ws = newId("ws");
    const body = newEvent(ws, { eventId: "e-1" });
    const first = await api.call("POST", "/audit/log", { body });
    // As if a year had passed.
    await api.db.rows(
      "superuser",
      `set role audit_keeper; with gone as (delete from audit.audit_events where workspace_id = '${ws}' returning *) select 1 from gone; reset role`,
    );
    const again = await api.call("POST", "/audit/log", { body });
    expect(again).toMatchObject({ status: 200, body: { id: first.body.id } });
    const gap = Date.parse(again.body.createdAt) - Date.parse(first.body.createdAt);
    expect(Math.abs(gap)).toBeLessThan(10_000);
  });
});

describe("unarchive", () => {
  test("brings an event back into a month that is gone, though it is older than the workspace's last; logged, and as it was", async () => {
    const { ws, archived } = await spread();
    const [id = ""] = archived;
    const before = (await api.call("GET", `/audit/events/${id}`)).body;
    await api.db.rows("superuser", `select audit.archive_month('${firstOf(-7)}')`);
    const answer = await api.call("POST", `/audit/events/${id}/unarchive`, {
      body: { keepDays: 10, reason: "An audit" },
    });
    expect(answer.status).toBe(200);
    const days = (Date.parse(answer.body.staysUntil) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(10);
    expect((await api.call("GET", `/audit/events/${id}`)).body).toEqual({ ...before, archivedAt: null });
    const { hot, archived: left } = await whereabouts(api.db, ws);
    expect([hot.includes(id), left.includes(id)]).toEqual([true, false]);
    const log = await api.db.rows(
      "app",
      "select deleted_by_user_id as by, deletion_reason as reason, details ->> 'to' as \"to\" from audit_deletion_log where subject_id = $1",
      [id],
    );
    expect(log).toEqual([{ by: "user-test", reason: "An audit", to: "audit_events" }]);
    const events = await api.call("GET", `/audit/events?workspaceId=${ws}&actionType=UNARCHIVE_AUDIT_EVENT`);
    expect(events.body.items).toMatchObject([{ resourceId: id, createdByUserId: "user-test" }]);
  });

  test("keeps the archiver off until its day, then the event goes back", async () => {
    const { ws, archived } = await spread();
    const id = archived[0] ?? "";
    await api.call("POST", `/audit/events/${id}/unarchive`, { body: {} });
    expect(await plan(api.db)).toEqual([]);
    expect(await archiveMonth(api.db, -7)).toBe("not_due");
    await archiveAll(api.db);
    expect((await whereabouts(api.db, ws)).hot).toContain(id);
    await api.db.asOwner("update audit_archive_pins set pinned_until = now() - interval '1 second'");
    await archiveAll(api.db);
    expect((await whereabouts(api.db, ws)).archived).toEqual(archived.toSorted());
    expect(
      await api.db.rows("admin", "select to_regclass($1) as hot", [`audit.audit_events_${month(-7)}`]),
    ).toEqual([{ hot: null }]);
  });

  test("never ends sooner than somebody asked for before, and says so", async () => {
    const { archived } = await spread();
    const path = `/audit/events/${archived[0]}/unarchive`;
    const ask = async (keepDays: number, key?: string) =>
      (
        await api.call("POST", path, {
          body: { keepDays, reason: `${keepDays} days` },
          ...(key ? { key } : {}),
        })
      ).body;
    const long = await ask(365);
    const other = await api.mintKey({ userId: "user-other" });
    expect(await ask(1, other)).toEqual(long);
    const pins = () =>
      api.db.rows(
        "app",
        "select pinned_by_user_id as by, reason from audit_archive_pins where event_id = $1",
        [archived[0]],
      );
    expect(await pins()).toEqual([{ by: "user-test", reason: "365 days" }]);
    const longer = await ask(400, other);
    expect(Date.parse(longer.staysUntil)).toBeGreaterThan(Date.parse(long.staysUntil));
    expect(await pins()).toEqual([{ by: "user-other", reason: "400 days" }]);
  });

  test("leaves nothing of those that are over", async () => {
    const { archived } = await spread();
    const [first, second] = archived;
    const pinned = async () =>
      (await api.db.rows("app", "select event_id as id from audit_archive_pins")).map(
        ({ id }) => id as string,
      );
    await api.call("POST", `/audit/events/${first}/unarchive`, { body: {} });
    await api.db.asOwner("update audit_archive_pins set pinned_until = now() - interval '1 second'");
    await api.call("POST", `/audit/events/${second}/unarchive`, { body: {} });
    expect(await pinned()).toEqual([second]);
  });

  test("of an event that is hot keeps it hot", async () => {
    const { ws, hot } = await spread();
    const id = hot[0] ?? "";
    expect((await api.call("POST", `/audit/events/${id}/unarchive`, { body: { keepDays: 5 } })).status).toBe(
      200,
    );
    await setPolicy(api.db, ws, 1);
    const pins = await api.db.rows(
      "app",
      "select pinned_by_user_id as by from audit_archive_pins where event_id = $1",
      [id],
    );
    expect(pins).toEqual([{ by: "user-test" }]);
  });

  test("works by SQL as the admin, and for another tenant's or no event it is refused", async () => {
    const { archived, ws } = await spread();
    const [, id = "", other = ""] = archived;
    await api.db.rows("admin", "select unarchive_audit_event($1)", [id]);
    expect((await whereabouts(api.db, ws)).hot).toContain(id);
    const stranger = await api.mintKey({ workspaces: [newId("ws")] });
    expectProblem(
      await api.call("POST", `/audit/events/${other}/unarchive`, { key: stranger, body: {} }),
      404,
      "not_found",
    );
    const reader = await api.mintKey({ scopes: ["events:read", "retention:read"] });
    expectProblem(
      await api.call("POST", `/audit/events/${other}/unarchive`, { key: reader, body: {} }),
      403,
      "forbidden",
    );
    expectProblem(
      await api.call("POST", `/audit/events/${crypto.randomUUID()}/unarchive`, { body: {} }),
      404,
      "not_found",
    );
    expect((await whereabouts(api.db, ws)).archived).toContain(other);
  });
});
