import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { failure } from "../db/helpers.ts";
import { expectProblem } from "./support.ts";

const api = useApi();

const place = (body: object, key?: string) =>
  api.call("POST", "/holds", { body: { reason: "Case 17", ...body }, ...(key ? { key } : {}) });

/** What keeps a record from being deleted, by the one predicate. */
const stops = async (record: {
  ws?: string;
  type?: string;
  id?: string;
  user?: string;
  automatic?: boolean;
}) => {
  const { ws = null, type = null, id = null, user = null, automatic = true } = record;
  const values = [ws, type, id, user, automatic];
  const rows = await api.db.rows(
    "worker",
    "select kind from deletion_stops($1, $2, $3, $4, $5) order by 1",
    values,
  );
  return rows.map((row) => row.kind as string);
};

describe("a hold", () => {
  test("stops the deletion of what it names, automatic or approved, until it is released, and of nothing else", async () => {
    const [ws, other, user] = [newId("ws"), newId("ws"), newId("user")];
    const record = { ws, type: "invoice", id: "i-1", user };
    expect(await stops(record)).toEqual([]);
    const { status, body } = await place({ workspaceId: ws });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      workspaceId: ws,
      reason: "Case 17",
      placedByUserId: "user-test",
      releasedAt: null,
    });
    expect([await stops(record), await stops({ ...record, automatic: false })]).toEqual([["hold"], ["hold"]]);
    expect(await stops({ ...record, ws: other })).toEqual([]);
    const released = await api.call("DELETE", `/holds/${body.id}?reason=settled`);
    expect(released).toMatchObject({
      status: 200,
      body: { releasedByUserId: "user-test", releaseReason: "settled" },
    });
    expect(await stops(record)).toEqual([]);
    expectProblem(await api.call("DELETE", `/holds/${body.id}`), 409, "conflict");
    expectProblem(await api.call("DELETE", `/holds/${crypto.randomUUID()}`), 404, "not_found");
  });

  test.each<[string, object, object, object]>([
    [
      "a resource, wherever it is",
      { resourceType: "invoice", resourceId: "held-1" },
      { ws: "a", type: "invoice", id: "held-1" },
      { ws: "a", type: "draft", id: "held-1" },
    ],
    [
      "a resource of one workspace",
      { workspaceId: "ws-one", resourceType: "invoice", resourceId: "held-2" },
      { ws: "ws-one", type: "invoice", id: "held-2" },
      { ws: "ws-two", type: "invoice", id: "held-2" },
    ],
    [
      "rows of a table in one workspace, where nobody knows a row's",
      { workspaceId: "ws-5", resourceType: "public.rooms" },
      { type: "public.rooms", id: "1" },
      { type: "public.guests", id: "1" },
    ],
    [
      "rows of a table in one workspace, where it is known",
      { workspaceId: "ws-6", resourceType: "public.rooms" },
      { ws: "ws-6", type: "public.rooms", id: "1" },
      { ws: "", type: "public.rooms", id: "1" },
    ],
    [
      "a type of resources",
      { resourceType: "contract" },
      { type: "contract", id: "any" },
      { type: "invoice", id: "any" },
    ],
    [
      "what a user did",
      { subjectUserId: "held-user" },
      { ws: "a", type: "t", id: "r", user: "held-user" },
      { ws: "a", type: "t", id: "r", user: "other" },
    ],
    [
      "what is about a user",
      { subjectUserId: "held-person" },
      { type: "profile", id: "held-person", user: "admin" },
      { type: "profile", id: "x", user: "admin" },
    ],
    [
      "a user in one workspace",
      { workspaceId: "ws-3", subjectUserId: "held-3" },
      { ws: "ws-3", user: "held-3" },
      { ws: "ws-4", user: "held-3" },
    ],
  ])("of %s", async (_, body, fits, fitsNot) => {
    const { body: hold } = await place(body);
    expect([await stops(fits), await stops(fitsNot)]).toEqual([["hold"], []]);
    await api.call("DELETE", `/holds/${hold.id}`);
  });

  test("and compliance mode stop many records in one anti-join", async () => {
    const [held, complying, free] = [newId("ws"), newId("ws"), newId("ws")];
    await place({ workspaceId: held });
    const policy = { hotRetentionDays: 1, warmArchiveDays: 2, coldRetentionDays: 3 };
    await api.call("PUT", `/retention/${complying}`, {
      body: { ...policy, isComplianceMode: true, complianceReason: "SOC 2" },
    });
    const deletable = (automatic: boolean) =>
      api.db.rows(
        "worker",
        `select ws from unnest($1::text[]) ws where not exists (select from audit.deletion_stops(ws, 't', 'r', 'u', $2)) order by 1`,
        [[held, complying, free], automatic],
      );
    expect(await deletable(true)).toEqual([{ ws: free }]);
    expect(await deletable(false)).toEqual([complying, free].toSorted().map((ws) => ({ ws })));
    const plan = await api.db.rows(
      "worker",
      "explain select from audit_events e where not exists (select from deletion_stops(e.workspace_id, e.resource_type, e.resource_id, e.created_by_user_id, false))",
    );
    const text = plan.map((row) => row["QUERY PLAN"]).join("\n");
    expect(text).toContain("legal_holds");
    expect(text).not.toContain("Function Scan");
  });

  test("is an event when it is placed and when it is released, whoever does it", async () => {
    const ws = newId("ws");
    const { body } = await place({ workspaceId: ws });
    await api.db.rows(
      "admin",
      "update legal_holds set released_at = now(), released_by_user_id = 'dba' where id = $1",
      [body.id],
    );
    const events = await api.db.rows(
      "app",
      "select action_type as action, created_by_user_id as by from audit_events where workspace_id = $1 order by created_at, id",
      [ws],
    );
    expect(events).toEqual([
      { action: "PLACE_LEGAL_HOLD", by: "user-test" },
      { action: "RELEASE_LEGAL_HOLD", by: "dba" },
    ]);
  });

  test("stays as it was placed, and on record", async () => {
    const { body } = await place({ workspaceId: newId("ws") });
    for (const sql of [
      "update legal_holds set reason = 'none'",
      "delete from legal_holds",
      "truncate legal_holds",
    ]) {
      expect(await failure(api.db.asOwner(sql))).toMatchObject({ code: "42501" });
      expect(await failure(api.db.rows("app", sql))).toMatchObject({ code: "42501" });
    }
    await api.call("DELETE", `/holds/${body.id}`);
    expect(
      await failure(
        api.db.rows(
          "app",
          "update legal_holds set released_at = null, released_by_user_id = null where id = $1",
          [body.id],
        ),
      ),
    ).toMatchObject({ code: "42501" });
  });
});

describe("what a hold must say", () => {
  test.each([
    ["something", {}, "body"],
    ["the type of its resource", { workspaceId: "ws-1", resourceId: "r" }, "body.resourceType"],
    ["a reason", { workspaceId: "ws-1", reason: " " }, "body.reason"],
  ])("%s", async (_, body, path) => {
    expectProblem(await place(body), 400, "invalid_request", path);
  });

  test("one of its own workspaces, for a key that is limited to some", async () => {
    const ws = newId("ws");
    const key = await api.mintKey({ workspaces: [ws] });
    expectProblem(await place({ subjectUserId: "u" }, key), 400, "invalid_request", "body.workspaceId");
    expectProblem(await place({ workspaceId: newId("ws") }, key), 404, "not_found", "body.workspaceId");
    expect((await place({ workspaceId: ws }, key)).status).toBe(201);
  });
});

test("holds are listed newest first, page by page, within what a key may see", async () => {
  const [ws, other] = [newId("ws"), newId("ws")];
  const ids = [];
  for (const workspaceId of [ws, ws, other]) ids.push((await place({ workspaceId })).body.id);
  await api.call("DELETE", `/holds/${ids[0]}`);
  const key = await api.mintKey({ workspaces: [ws], scopes: ["holds:read"] });
  const first = await api.call("GET", "/holds?limit=1", { key });
  expect(first.body.items.map((one: { id: string }) => one.id)).toEqual([ids[1]]);
  const second = await api.call("GET", `/holds?limit=1&cursor=${first.body.nextCursor}`, { key });
  expect(second.body).toMatchObject({ items: [{ id: ids[0] }], nextCursor: null });
  const active = await api.call("GET", `/holds?status=active&workspaceId=${ws}`);
  expect(active.body.items.map((one: { id: string }) => one.id)).toEqual([ids[1]]);
  expectProblem(await api.call("GET", `/holds?workspaceId=${other}`, { key }), 404, "not_found");
  expectProblem(
    await api.call("POST", "/holds", { key, body: { workspaceId: ws, reason: "x" } }),
    403,
    "forbidden",
  );
  const foreign = await api.mintKey({ workspaces: [other] });
  expectProblem(await api.call("DELETE", `/holds/${ids[1]}`, { key: foreign }), 404, "not_found");
});
