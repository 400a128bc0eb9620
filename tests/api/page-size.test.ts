import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { listEvents } from "../../db/queries/events.ts";
import { listTrails } from "../../db/queries/trails.ts";
import { ANSWER_BYTES_MAX } from "../../services/answer-size.ts";
import { findEvents } from "../../services/events/find.ts";
import { complete } from "../services/trails/support.ts";
import { newId, useApi } from "../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../support/cold.ts";
import { newEvent } from "./support.ts";

const archive = useArchive();
const api = useApi();
const KIB = 1024;
/** Text that Postgres cannot compress, and text that it compresses to a hundredth. */
const FILLS = {
  random: (characters: number) => randomBytes((characters * 3) / 4).toString("base64"),
  repeated: (characters: number) => "x".repeat(characters),
};

interface Page {
  items: Record<string, unknown>[];
  nextCursor: string | null;
  bytes: number;
}

/** Every page of a list. */
async function pages(path: string): Promise<Page[]> {
  const found: Page[] = [];
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? "" : `&cursor=${cursor}`;
    const { body } = await api.call("GET", `${path}${more}`);
    found.push({ ...body, bytes: Buffer.byteLength(JSON.stringify(body)) });
    cursor = body.nextCursor;
  } while (cursor !== null);
  return found;
}

async function exported(workspaceId: string, field: string): Promise<unknown[]> {
  const query = `format=ndjson&workspaceId=${workspaceId}&actionType=TEST*`;
  const { body } = await api.call("GET", `/audit/events/export?${query}`);
  return (body as string)
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as Record<string, unknown>)[field]);
}

const seen = (found: Page[], field: string) => found.flatMap(({ items }) => items.map((one) => one[field]));
const fits = ({ bytes }: Page) => bytes < ANSWER_BYTES_MAX + KIB;

describe("a page of large items ends before an answer is too large, and the next one goes on there", () => {
  test.each(Object.keys(FILLS) as (keyof typeof FILLS)[])("of trails, %s", async (fill) => {
    const projectId = newId("proj");
    const ids = Array.from({ length: 7 }, (_, i) => `m-${i}`);
    for (const id of ids) {
      const body = complete(projectId, { reasoning: [FILLS[fill](1000 * KIB)] });
      expect((await api.call("PUT", `/trails/${id}`, { body })).status).toBe(201);
    }
    const found = await pages(`/trails?projectId=${projectId}&limit=1000`);
    expect(found.map(({ items }) => items.length)).toEqual([3, 3, 1]);
    expect(found.every(fits)).toBe(true);
    expect(seen(found, "messageId")).toEqual(ids.toReversed());
    const filter = { projectIds: [projectId] };
    const { rows, isCut } = await listTrails(api.runtime.app.db, filter, { limit: 7, bytes: 2 * KIB }, null);
    expect([rows.length, isCut]).toEqual([1, true]);
  });

  test.each(Object.keys(FILLS) as (keyof typeof FILLS)[])("of events, %s, and in exports", async (fill) => {
    const workspaceId = newId("ws");
    const events = Array.from({ length: 34 }, (_, i) =>
      newEvent(workspaceId, {
        resourceId: `r-${i}`,
        [["oldValues", "newValues", "metadata"][i % 3] as string]: { fill: FILLS[fill](250 * KIB) },
      }),
    );
    for (let i = 0; i < events.length; i += 10) {
      const body = { events: events.slice(i, i + 10) };
      expect((await api.call("POST", "/audit/log/batch", { body })).status).toBe(201);
    }
    const found = await pages(`/audit/events?workspaceId=${workspaceId}&actionType=TEST*&limit=20`);
    expect(found.map(({ items }) => items.length)).toEqual([15, 15, 4]);
    expect(found.every(fits)).toBe(true);
    const newest = events.map(({ resourceId }) => resourceId).toReversed();
    expect(seen(found, "resourceId")).toEqual(newest);
    expect(await exported(workspaceId, "resourceId")).toEqual(newest);
    const filter = {
      workspaceIds: [workspaceId],
      actionType: { exact: "TEST_EVENT" },
      includeDeleted: false,
    };
    const { rows, isCut } = await listEvents(api.runtime.app.db, filter, { limit: 7, bytes: 2 * KIB }, null);
    expect([rows.length, isCut]).toEqual([1, true]);
  });

  test("of events before, in and after a cold month, in their order", async () => {
    const workspaceId = newId("ws");
    api.runtime.archive = archive;
    /** Events of the month so long ago, a minute apart; their ids, newest first. */
    const store = async (months: number, count: number, fillBytes: number) => {
      const at = (i: number) => new Date(Date.parse(monthsAgo(months)) + i * 60_000).toISOString();
      const events = Array.from({ length: count }, (_, i) => ({
        workspace_id: workspaceId,
        created_at: at(i),
        metadata: { fill: FILLS.random(fillBytes) },
      }));
      return (await storeEvents(api.db, "audit_events_archive", events)).toReversed();
    };
    const cold = await store(40, 80, 250 * KIB);
    await makeCold(contextOf(api, archive), monthsAgo(40));
    const newest = [...(await store(38, 20, 250 * KIB)), ...cold, ...(await store(42, 5, KIB))];
    const found = await pages(`/audit/events?workspaceId=${workspaceId}&actionType=TEST&limit=1000`);
    expect(seen(found, "id")).toEqual(newest);
    expect(found.every(fits)).toBe(true);
    expect(found.length).toBeLessThan(12);
    expect(await exported(workspaceId, "id")).toEqual(newest);
    const reader = { db: api.runtime.app.db, archive };
    const filter = { workspaceIds: [workspaceId], to: new Date(monthsAgo(38)), includeDeleted: false };
    const { rows, isCut } = await findEvents(reader, filter, { limit: 1_000, bytes: ANSWER_BYTES_MAX }, null);
    expect(rows.map(({ id }) => id)).toEqual(cold.slice(0, rows.length));
    expect([rows.length < cold.length, isCut]).toEqual([true, true]);
  });

  test("of a row's history", async () => {
    const sql = (text: string) => api.db.rows("admin", text);
    await sql("create table public.documents (id int primary key, body text)");
    await sql("select audit.track('public.documents')");
    await sql("insert into public.documents values (1, '')");
    for (let i = 0; i < 12; i++) {
      await sql(`update public.documents set body = '${FILLS[i % 2 ? "random" : "repeated"](400 * KIB)}'`);
    }
    const found = await pages("/history/public.documents/1?limit=1000");
    expect(found.length).toBeGreaterThan(3);
    expect(found.every(fits)).toBe(true);
    const ids = seen(found, "id").map(Number);
    expect(ids).toEqual(ids.toSorted((a, b) => b - a));
    expect(new Set(ids).size).toBe(13);
  });
});

test("a page of small items has as many as were asked for", async () => {
  const workspaceId = newId("ws");
  const events = Array.from({ length: 300 }, () => newEvent(workspaceId));
  await api.call("POST", "/audit/log/batch", { body: { events } });
  const found = await pages(`/audit/events?workspaceId=${workspaceId}&limit=150`);
  expect(found.map(({ items }) => items.length)).toEqual([150, 150]);
});
