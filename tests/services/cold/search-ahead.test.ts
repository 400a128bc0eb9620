import { expect, test } from "vitest";
import type { EventPosition, EventRow } from "../../../db/queries/events.ts";
import { searchingAhead } from "../../../services/cold/search-ahead.ts";
import { findEvents } from "../../../services/events/find.ts";
import { newId, useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";

const archive = useArchive();
const api = useApi();
const PAGE = 500;
const atMost = (limit: number) => ({ limit, bytes: 4_000_000 });

/** A cold month of a workspace's own, every fifth event at the time of the one before; ids, newest first. */
async function coldMonth(ago: number, ws: string, count: number): Promise<string[]> {
  const month = monthsAgo(ago).slice(0, 7);
  const events = Array.from({ length: count }, (_, i) => {
    const at = new Date(Date.parse(`${month}-01T00:00:00Z`) + (i - Number(i % 5 === 4)) * 1_000);
    return { created_at: at.toISOString(), workspace_id: `${ws}-${i % 3}` };
  });
  const ids = await storeEvents(api.db, "audit_events_archive", events);
  await makeCold(contextOf(api, archive), `${month}-01`);
  return ids
    .map((id, i) => ({ id, at: events[i]?.created_at as string }))
    .toSorted((a, b) => (a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1))
    .map(({ id }) => id);
}

const workspaces = (ws: string) => [0, 1, 2].map((i) => `${ws}-${i}`);
const after = (rows: EventRow[]): EventPosition => {
  const { position, id } = rows.at(-1) as EventRow;
  return { createdAt: position, id };
};

test("an export reads cold files once, not once a page, and has every event in order", async () => {
  const ws = newId("ws");
  const ids = await coldMonth(40, ws, 4 * PAGE + 30);
  let reads = 0;
  const { storage } = archive;
  api.runtime.archive = {
    keys: [],
    storage: { ...storage, get: (key, range) => (reads++, storage.get(key, range)) },
  };
  const key = await api.mintKey({ workspaces: workspaces(ws) });
  const { body } = await api.call("GET", "/audit/events/export?format=ndjson", { key });
  const lines = (body as string).trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(ids);
  const whole = reads;
  await api.call("GET", `/audit/events?limit=100`, { key });
  // One look for the hits, one for their columns; a page alone needs as many.
  expect(whole).toBeLessThanOrEqual(reads - whole + 1);
});

test("what was found ahead in a file that is purged meanwhile is left out, and is no fault", async () => {
  const ws = newId("ws");
  const newer = await coldMonth(41, ws, 120);
  const older = await coldMonth(42, ws, 80);
  const reader = { db: api.runtime.app.db, archive };
  const filter = { workspaceIds: workspaces(ws), includeDeleted: false };
  const search = searchingAhead();
  const { rows: first } = await findEvents(reader, filter, atMost(50), null, search);
  expect(first.map(({ id }) => id)).toEqual(newer.slice(0, 50));
  const prefix = `events/${monthsAgo(41).slice(0, 7).replace("-", "/")}/part`;
  // Listed no longer, as after its purge.
  const unlist = "update audit.cold_months set dropped_at = null where object_key like '%/' || $1 || '%'";
  await api.db.rows("superuser", unlist, [prefix]);
  for (const one of archive.files(prefix)) await archive.storage.delete(one);
  const { rows: rest } = await findEvents(reader, filter, atMost(500), after(first), search);
  expect(rest.map(({ id }) => id)).toEqual(older);
});

test("a month that becomes cold between two pages is found, once", async () => {
  const ws = newId("ws");
  const newer = await coldMonth(43, ws, 60);
  const reader = { db: api.runtime.app.db, archive };
  const filter = { workspaceIds: workspaces(ws), includeDeleted: false };
  const search = searchingAhead();
  const { rows: first } = await findEvents(reader, filter, atMost(40), null, search);
  const older = await coldMonth(44, ws, 30);
  const { rows: rest } = await findEvents(reader, filter, atMost(500), after(first), search);
  expect([...first, ...rest].map(({ id }) => id)).toEqual([...newer, ...older]);
});
