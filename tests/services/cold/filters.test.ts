import { beforeAll, describe, expect, test } from "vitest";
import { useApi } from "../../support/api.ts";
import {
  contextOf,
  makeCold,
  monthsAgo,
  storeEvents,
  useArchive,
  type EventFields,
} from "../../support/cold.ts";

const archive = useArchive();
const api = useApi();
const months = { hot: monthsAgo(14), archived: monthsAgo(16), cold: monthsAgo(18) };
type Place = keyof typeof months;

/** The same events in three months, one for each place; `request_id` names each. */
const content: (Omit<EventFields, "created_at"> & { time: string })[] = [
  { time: "01T00:00:00Z", workspace_id: "ws-a", action_type: "invoice.paid", tags: ["billing", "eu"] },
  { time: "01T00:00:00Z", workspace_id: "ws-b", action_type: "invoice.paid", tags: ["billing"] },
  {
    time: "01T00:00:00.000001Z",
    workspace_id: "ws-a",
    action_type: "invoice.sent",
    resource_type: "invoice",
  },
  {
    time: "05T10:00:00.999999Z",
    workspace_id: "ws-a",
    created_by_user_id: "u-2",
    metadata: { note: 'She said "ÉCLAIR"' },
  },
  {
    time: "05T10:00:00.999Z",
    workspace_id: "ws-c",
    created_by_user_id: "u-2",
    new_values: { path: "C:\\Temp", tab: "a\tb" },
  },
  { time: "07T00:00:00Z", workspace_id: "ws-ä", action_type: "İSTANBUL", resource_id: "STRASSE-straße" },
  { time: "08T00:00:00Z", workspace_id: "ws-😀", resource_id: "ΟΔΟΣ", tags: ["ΣΊΣΥΦΟΣ", "a b"] },
  {
    time: "09T00:00:00Z",
    workspace_id: "ws-a",
    deleted_at: "2026-01-01T00:00:00Z",
    deleted_by_user_id: "u",
    deletion_reason: "x",
  },
  {
    time: "10T00:00:00Z",
    workspace_id: "ws-a",
    tags: [],
    old_values: { k: "v" },
    new_values: { k: "w 1.50" },
    changed_fields: ["k"],
  },
  { time: "11T00:00:00Z", workspace_id: "ws-b", action_type: "a*b", resource_id: "100%_x" },
  {
    time: "12T00:00:00Z",
    workspace_id: "ws-b",
    user_agent: "not searched",
    ip_address: "10.0.0.1",
    metadata: { n: 1234567890123456 },
  },
  {
    time: "28T23:59:59.999999Z",
    workspace_id: "ws-c",
    metadata: { emoji: "😀", deep: { list: [1, null, "Zürich"] } },
  },
];

const queries: Record<string, string>[] = [
  {},
  { includeDeleted: "true" },
  { workspaceId: "ws-a" },
  { workspaceId: "ws-ä" },
  { workspaceId: "ws-😀" },
  { workspaceId: "nobody" },
  { actorId: "u-2" },
  { actorId: "u-" },
  { actionType: "invoice.paid" },
  { actionType: "invoice.*" },
  { actionType: "a*b" },
  { actionType: "a*" },
  { actionType: "*" },
  { actionType: "INVOICE.*" },
  { resourceType: "invoice" },
  { resourceId: "100%_x" },
  { resourceId: "t-1", workspaceId: "ws-a" },
  { tag: "billing" },
  { tag: "bill" },
  { tag: "a b" },
  { tag: "billing", workspaceId: "ws-a", actionType: "invoice.*" },
  { text: "éclair" },
  { text: '"ÉCLAIR"' },
  { text: "c:\\temp" },
  { text: "a\tb" },
  { text: "istanbul" },
  { text: "i̇stanbul" },
  { text: "STRASSE-STRASSE" },
  { text: "straße" },
  { text: "οδος" },
  { text: "ΟΔΟΣ" },
  { text: "σίσυφος" },
  { text: "ΣΊΣΥΦΟΣ a" },
  { text: "1.50" },
  { text: "not searched" },
  { text: "10.0.0.1" },
  { text: "1234567890123456" },
  { text: "zürich" },
  { text: '"😀"' },
  { text: "null" },
  { text: '"k": "v"' },
  { text: "100%_X" },
  { text: "invoice.paid thing" },
  { text: "u-2" },
];

const place = (month: string, time: string) => `${month.slice(0, 7)}-${time}`;
const id = (i: number) => `019b0000-0000-7000-8000-0000000000${String(i).padStart(2, "0")}`;

beforeAll(async () => {
  api.runtime.archive = archive;
  for (const [where, month] of Object.entries(months)) {
    const events = content.map(({ time, ...rest }, i) => ({
      id: id(i),
      request_id: `row-${i}`,
      ...rest,
      created_at: place(month, time),
    }));
    await storeEvents(api.db, where === "hot" ? "audit_events" : "audit_events_archive", events);
  }
  expect(await makeCold(contextOf(api, archive), months.cold, { rowsMax: 5 })).toBe(3);
});

const searchParams = (query: Record<string, string>, month: string) =>
  new URLSearchParams({ from: place(month, "01T00:00:00Z"), to: place(month, "29T00:00:00Z"), ...query });

/** Names of the rows in order, page by page. */
async function found(query: Record<string, string>, month: string, limit: number): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const params = searchParams({ ...query, limit: String(limit), ...(cursor ? { cursor } : {}) }, month);
    const { status, body } = await api.call("GET", `/audit/events?${params}`);
    expect(status, JSON.stringify(body)).toBe(200);
    names.push(...body.items.map((one: { requestId: string }) => one.requestId));
    cursor = body.nextCursor;
  }
  return names;
}

test.each(queries.map((query) => [JSON.stringify(query), query] as const))(
  "%s finds the same events, in the same order, hot, archived and cold",
  async (_, query) => {
    const hot = await found(query, months.hot, 100);
    expect(await found(query, months.archived, 100)).toEqual(hot);
    expect(await found(query, months.cold, 100)).toEqual(hot);
    expect(await found(query, months.cold, 2)).toEqual(hot);
    const { body } = await api.call(
      "GET",
      `/audit/events?${searchParams({ ...query, limit: "1", includeTotal: "true" }, months.cold)}`,
    );
    expect(body.total).toBe(hot.length);
  },
);

test("the filters of the table above find something, and not everything", async () => {
  const counts = await Promise.all(
    queries.map(async (query) => (await found(query, months.hot, 100)).length),
  );
  expect(counts.filter((count) => count > 0).length).toBeGreaterThan(30);
  expect(counts.filter((count) => count < content.length).length).toBeGreaterThan(40);
});

test.each([
  { from: "05T10:00:00.999Z", to: "05T10:00:01Z" },
  { from: "05T10:00:00Z", to: "05T10:00:00.999Z" },
  { from: "05T10:00:01Z", to: "07T00:00:00Z" },
  { from: "01T00:00:00.001Z", to: "28T23:59:59.999Z" },
])("the bounds $from to $to leave the same events out", async ({ from, to }) => {
  const at = (where: Place) => ({
    from: place(months[where], from),
    to: place(months[where], to),
    includeDeleted: "true",
  });
  const hot = await found(at("hot"), months.hot, 100);
  expect(await found(at("archived"), months.archived, 100)).toEqual(hot);
  expect(await found(at("cold"), months.cold, 100)).toEqual(hot);
});

describe("over all three places at once", () => {
  const all = { from: place(months.cold, "01T00:00:00Z"), to: place(months.hot, "29T00:00:00Z") };

  test.each([1, 5, 12, 13, 100])("pages of %i go through every event once", async (limit) => {
    const names = await found(all, months.hot, limit);
    const once = await found({}, months.hot, 100);
    expect(names).toEqual([...once, ...once, ...once]);
  });

  test("an export has them all, as they were", async () => {
    const { body } = await api.call("GET", `/audit/events/export?format=ndjson&${new URLSearchParams(all)}`);
    const lines = (body as string)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(3 * (content.length - 1));
    const without = ({ createdAt: _, archivedAt: _archived, ...event }: Record<string, unknown>) => event;
    const third = lines.length / 3;
    expect(lines.slice(2 * third).map(without)).toEqual(lines.slice(0, third).map(without));
  });

  test("one event is found by its id, the oldest that has it, and a deleted one only when asked for", async () => {
    const { status, body } = await api.call("GET", `/audit/events/${id(3)}`);
    expect([status, body.createdAt]).toEqual([200, place(months.cold, "05T10:00:00.999Z")]);
    const capitals = await api.call("GET", `/audit/events/${id(3).toUpperCase()}`);
    expect(capitals.body).toEqual(body);
    expect((await api.call("GET", `/audit/events/${id(7)}`)).status).toBe(404);
    expect((await api.call("GET", `/audit/events/${id(7)}?includeDeleted=true`)).status).toBe(200);
    expect((await api.call("GET", `/audit/events/${crypto.randomUUID()}`)).status).toBe(404);
  });

  test("a key of some workspaces sees theirs alone", async () => {
    const key = await api.mintKey({ workspaces: ["ws-b", "ws-😀"] });
    const { body } = await api.call("GET", `/audit/events?${searchParams({}, months.cold)}`, { key });
    expect(body.items.map((one: { requestId: string }) => one.requestId)).toEqual([
      "row-10",
      "row-9",
      "row-6",
      "row-1",
    ]);
    expect((await api.call("GET", `/audit/events/${id(3)}`, { key })).status).toBe(404);
  });
});
