import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { expectProblem, newEvent } from "./support.ts";

const api = useApi();

/** Writes events named by `resourceId`, and finds the names of those that a query matches, in that order. */
async function given(events: object[]) {
  const ws = newId("ws");
  const { status } = await api.call("POST", "/audit/log/batch", {
    body: { events: events.map((one, i) => newEvent(ws, { resourceId: String(i), ...one })) },
  });
  expect(status).toBe(201);
  return async (filter: Record<string, string>): Promise<string> => {
    const query = new URLSearchParams({ workspaceId: ws, ...filter });
    const answer = await api.call("GET", `/audit/events?${query}`);
    expect(answer.status).toBe(200);
    return answer.body.items
      .filter((one: { actionType: string }) => one.actionType !== "READ_AUDIT_LOG")
      .map((one: { resourceId: string }) => one.resourceId)
      .toReversed()
      .join(" ");
  };
}

test("each field finds what equals it, to the letter", async () => {
  const find = await given([
    { createdByUserId: "ann", resourceType: "Invoice", tags: ["red", "blue"] },
    { createdByUserId: "Ann", resourceType: "invoice", tags: ["red"] },
    { createdByUserId: "ann ", resourceType: "invoice_line" },
  ]);
  expect(await find({ actorId: "ann" })).toBe("0");
  expect(await find({ actorId: "ann " })).toBe("2");
  expect(await find({ resourceType: "invoice" })).toBe("1");
  expect(await find({ resourceId: "2" })).toBe("2");
  expect(await find({ tag: "red" })).toBe("0 1");
  expect(await find({ tag: "blue" })).toBe("0");
  expect(await find({ tag: "re" })).toBe("");
  expect(await find({ actorId: "ann", tag: "red", resourceType: "Invoice" })).toBe("0");
  expect(await find({ actorId: "Ann", tag: "blue" })).toBe("");
});

test("an actionType is exact, or a prefix with a trailing *; no other character has a meaning", async () => {
  const find = await given(
    [
      "invoice.paid",
      "invoice.sent",
      "invoice",
      "invoiceXpaid",
      "TEST_A",
      "TESTxB",
      "100%",
      "100% sure",
      "a*b",
      "a\\b",
    ].map((actionType) => ({ actionType })),
  );
  expect(await find({ actionType: "invoice" })).toBe("2");
  expect(await find({ actionType: "invoice.*" })).toBe("0 1");
  expect(await find({ actionType: "invoice*" })).toBe("0 1 2 3");
  expect(await find({ actionType: "TEST_*" })).toBe("4");
  expect(await find({ actionType: "100%" })).toBe("6");
  expect(await find({ actionType: "100%*" })).toBe("6 7");
  expect(await find({ actionType: "%*" })).toBe("");
  expect(await find({ actionType: "_*" })).toBe("");
  expect(await find({ actionType: "%" })).toBe("");
  expect(await find({ actionType: "a*b" })).toBe("8");
  expect(await find({ actionType: "a\\*" })).toBe("9");
  expect(await find({ actionType: "*.paid" })).toBe("");
  expect(await find({ actionType: "Invoice*" })).toBe("");
  expect(await find({ actionType: "*" })).toBe("0 1 2 3 4 5 6 7 8 9");
});

test("text is found in any case, in names and values; % and _ are only themselves", async () => {
  const find = await given([
    { newValues: { note: "Überraschung für ZOË" } },
    { oldValues: { rate: "50% off" }, newValues: { rate: "5000 off" } },
    { metadata: { file: "a_b.txt" }, tags: ["Quarterly"] },
    { metadata: { file: "axb.txt" }, actionType: "Report.Made" },
    { newValues: { said: 'a "quoted" word', path: "C:\\temp" } },
  ]);
  expect(await find({ text: "Überr" })).toBe("0");
  expect(await find({ text: "ASCHUNG FüR ZO" })).toBe("0");
  expect(await find({ text: "überraschung FÜR zoë" })).toBe("0");
  expect(await find({ text: '"quoted" WORD' })).toBe("4");
  expect(await find({ text: "c:\\TEMP" })).toBe("4");
  expect(await find({ text: "50%" })).toBe("1");
  expect(await find({ text: "0% o" })).toBe("1");
  expect(await find({ text: "A_B" })).toBe("2");
  expect(await find({ text: "axb" })).toBe("3");
  expect(await find({ text: "quarterly" })).toBe("2");
  expect(await find({ text: "report.made" })).toBe("3");
  expect(await find({ text: "'; drop table audit.audit_events; --" })).toBe("");
  expect(await find({ text: "%%" })).toBe("");
});

test("from is inclusive, to is not, and both take any zone", async () => {
  const ws = newId("ws");
  const created: string[] = [];
  for (let i = 0; i < 3; i++) {
    created.push((await api.call("POST", "/audit/log", { body: newEvent(ws) })).body.createdAt);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const [first = "", second = "", third = ""] = created;
  const count = async (filter: Record<string, string>) => {
    const query = new URLSearchParams({ workspaceId: ws, actionType: "TEST_EVENT", ...filter });
    return (await api.call("GET", `/audit/events?${query}`)).body.items.length;
  };
  expect(await count({ from: first })).toBe(3);
  expect(await count({ from: second })).toBe(2);
  expect(await count({ to: second })).toBe(1);
  expect(await count({ from: second, to: third })).toBe(1);
  expect(await count({ from: second, to: second })).toBe(0);
  const inTokyo = `${new Date(Date.parse(second) + 9 * 3_600_000).toISOString().slice(0, -1)}+09:00`;
  expect(await count({ from: inTokyo })).toBe(2);
});

test("from may be as early as it likes: nothing is older than 1900", async () => {
  const ws = newId("ws");
  await api.call("POST", "/audit/log", { body: newEvent(ws) });
  for (const from of ["1753-02-07T12:34:56.789Z", "0000-01-01T00:00:00Z"]) {
    const query = `workspaceId=${ws}&actionType=TEST_EVENT&from=${from}`;
    const { status, body } = await api.call("GET", `/audit/events?${query}`);
    expect([status, body.items.length]).toEqual([200, 1]);
    expect((await api.call("GET", `/trails?from=${from}`)).status).toBe(200);
  }
  expect((await api.call("GET", `/audit/events?workspaceId=${ws}&from=3000-01-01T00:00:00Z`)).status).toBe(
    400,
  );
});

test.each(["/audit/events", "/trails", "/projects/proj-plus/analytics"])(
  "a plus that a query of %s does not encode is told as such",
  async (path) => {
    await api.call("PUT", "/trails/m-plus", {
      body: { projectId: "proj-plus", model: "m", contextLayers: 0 },
    });
    const from = "2026-10-01T00:00:00+05:45";
    const answer = await api.call("GET", `${path}?from=${from}`);
    expectProblem(answer, 400, "invalid_request", "query.from");
    expect(answer.body.detail).toContain("%2B");
    expect((await api.call("GET", `${path}?from=${encodeURIComponent(from)}`)).status).toBe(200);
    const other = await api.call("GET", `${path}?from=2026-10-01`);
    expect(String(other.body.detail)).not.toContain("%2B");
  },
);

describe("a deleted event", () => {
  async function deleted() {
    const ws = newId("ws");
    const [row] = await api.db.asOwner<{ id: string }>(
      `insert into audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id,
         deleted_at, deleted_by_user_id, deletion_reason)
       values ($1, 'u', 'TEST_EVENT', 'thing', 'gone', now(), 'user-2', 'by mistake') returning id`,
      [ws],
    );
    await api.call("POST", "/audit/log", { body: newEvent(ws) });
    return { id: row?.id ?? "", query: `workspaceId=${ws}&actionType=TEST_EVENT` };
  }

  test("is left out of lists, counts and exports unless asked for", async () => {
    const { id, query } = await deleted();
    const list = (more: string) => api.call("GET", `/audit/events?${query}&includeTotal=true${more}`);
    for (const more of ["", "&includeDeleted=false"]) {
      const { body } = await list(more);
      expect([body.items.length, body.total]).toEqual([1, 1]);
      expect(body.items[0].id).not.toBe(id);
    }
    const { body } = await list("&includeDeleted=true");
    expect([body.items.length, body.total]).toEqual([2, 2]);
    const fields = { deletedByUserId: "user-2", deletionReason: "by mistake", deletedAt: expect.any(String) };
    expect(body.items).toContainEqual(expect.objectContaining({ id, ...fields }));
    const exported = (more: string) => api.call("GET", `/audit/events/export?format=csv&${query}${more}`);
    expect((await exported("")).body).not.toContain(id);
    expect((await exported("&includeDeleted=true")).body).toContain(id);
  });

  test("is a 404 by its id unless asked for", async () => {
    const { id } = await deleted();
    expectProblem(await api.call("GET", `/audit/events/${id}`), 404, "not_found");
    const asked = await api.call("GET", `/audit/events/${id}?includeDeleted=true`);
    expect([asked.status, asked.body.id]).toEqual([200, id]);
  });
});
