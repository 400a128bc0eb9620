import { beforeAll, expect, test } from "vitest";
import type { ByteRange } from "../../../lib/storage/storage.ts";
import { useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";

const api = useApi();
const archive = useArchive();
/** Several row groups. */
const EVENTS = 12_000;
const months = [monthsAgo(30), monthsAgo(31), monthsAgo(32)] as const;
const at = (month: string, time: string) => `${month.slice(0, 7)}-${time}`;
const prefixOf = (month: string) => `events/${month.slice(0, 7).replace("-", "/")}/part`;
let read: { key: string; bytes: number }[] = [];

beforeAll(async () => {
  const { storage } = archive;
  const get = async (key: string, range?: ByteRange) => {
    const body = await storage.get(key, range);
    read.push({ key, bytes: body.length });
    return body;
  };
  api.runtime.archive = { ...archive, storage: { ...storage, get } };
  for (const month of months) {
    await storeEvents(api.db, "audit_events_archive", [
      { created_at: at(month, "02T00:00:00Z"), workspace_id: "ws-few" },
    ]);
  }
  const [month] = months;
  await api.db.rows(
    "superuser",
    `insert into audit.audit_events_archive (id, created_at, workspace_id, created_by_user_id, action_type, resource_type, resource_id, new_values)
     select audit.uuid_v7(), $1::timestamptz + n * interval '1 minute', case when n <= 11000 then 'ws-a' else 'ws-z' end, 'u', 'TEST', 'thing', 't',
       jsonb_build_object('noise', (select string_agg(sha256(convert_to(n || '-' || k, 'UTF8'))::text, '') from generate_series(1, 5) k))
     from generate_series(1, $2::int) n`,
    [at(month, "02T00:00:00Z"), EVENTS],
  );
  for (const one of months) await makeCold(contextOf(api, archive), one);
}, 60_000);

async function search(query: string) {
  read = [];
  const { status, body } = await api.call("GET", `/audit/events?${query}`);
  expect(status).toBe(200);
  const keys = [...new Set(read.map(({ key }) => key))];
  return { found: body.items.length as number, keys, bytes: read.reduce((sum, one) => sum + one.bytes, 0) };
}

test("a search opens only files of the months in its range, and of its workspaces", async () => {
  const [, second] = months;
  const inRange = await search(`from=${at(second, "01T00:00:00Z")}&to=${at(second, "20T00:00:00Z")}`);
  expect(inRange.found).toBe(1);
  expect(inRange.keys).toEqual([expect.stringContaining(prefixOf(second))]);
  const ofWorkspace = await search("workspaceId=ws-z&limit=1");
  expect(ofWorkspace.keys).toEqual([expect.stringContaining(prefixOf(months[0]))]);
  expect((await search("workspaceId=ws-nowhere")).keys).toEqual([]);
});

test("a search reads of a file the row groups that could match, and of those the columns that are asked for", async () => {
  const [file] = archive.files(prefixOf(months[0]));
  const whole = (await archive.storage.head(file ?? ""))?.bytes ?? 0;
  const { found, bytes } = await search("workspaceId=ws-z&limit=10");
  expect(found).toBe(10);
  expect(bytes).toBeLessThan(whole / 2);
});
