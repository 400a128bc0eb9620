import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { StorageError, type Storage } from "../../../lib/storage/storage.ts";
import { dropMonth } from "../../../services/cold/drop-month.ts";
import { exportNextFile } from "../../../services/cold/export-month.ts";
import { recheckAway, recheckDamaged } from "../../../services/cold/recheck.ts";
import type { Archive } from "../../../services/cold/open-file.ts";
import { useApi } from "../../support/api.ts";
import {
  contextOf,
  makeCold,
  monthsAgo,
  storeEvents,
  useArchive,
  type TestArchive,
} from "../../support/cold.ts";

const api = useApi();
const archive = useArchive();
const sealed = useArchive({ encrypted: true });
const prefixOf = (month: string) => `events/${month.slice(0, 7).replace("-", "/")}/`;

const ROWS = 25;
async function month(ago: number): Promise<{ month: string; ids: string[] }> {
  const first = monthsAgo(ago);
  const events = Array.from({ length: ROWS }, (_, i) => ({
    created_at: `${first.slice(0, 7)}-${String(i + 1).padStart(2, "0")}T00:00:00Z`,
    workspace_id: `ws-${i % 3}`,
    metadata: { text: "some text ".repeat(i) },
  }));
  return { month: first, ids: (await storeEvents(api.db, "audit_events_archive", events)).toSorted() };
}

/** Every id of a month by the API, wherever its events lie. */
async function idsOf(first: string): Promise<string[]> {
  const query = new URLSearchParams({
    from: `${first}T00:00:00Z`,
    to: `${first.slice(0, 7)}-28T23:59:59Z`,
    limit: "1000",
  });
  const { status, body } = await api.call("GET", `/audit/events?${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.items.map(({ id }: { id: string }) => id).toSorted();
}

const openAlerts = (code: string, subject: string) =>
  api.db.rows(
    "app",
    "select severity, message from alerts where code = $1 and subject = $2 and resolved_at is null",
    [code, subject],
  );

const tableOf = async (first: string) => {
  const name = `audit.audit_events_archive_${first.slice(0, 7).replace("-", "_")}`;
  const [row] = await api.db.rows("admin", "select to_regclass($1) is not null as stands", [name]);
  return row?.stands as boolean;
};

type Fault = (storage: Storage, key: string, body: Uint8Array) => Promise<void>;
const away: Fault = async (_, key) => {
  throw new StorageError("away", key);
};
const half: Fault = (storage, key, body) => storage.put(key, body.subarray(0, body.length / 2));
const halfAndDie: Fault = async (storage, key, body) => {
  await half(storage, key, body);
  throw new Error("killed");
};
const flipped: Fault = (storage, key, body) => {
  const copy = Uint8Array.from(body);
  const middle = Math.floor(copy.length / 2);
  copy[middle] = (copy[middle] as number) ^ 1;
  return storage.put(key, copy);
};
const vanishes: Fault = async () => undefined;

/** A storage whose puts go wrong until told otherwise. */
function faulty({ storage, keys }: TestArchive, fault: Fault) {
  const state = { fails: true };
  const wrapped: Storage = {
    ...storage,
    put: (key, body) => (state.fails ? fault(storage, key, body) : storage.put(key, body)),
  };
  const result: Archive & { state: typeof state } = { storage: wrapped, keys, state };
  return result;
}

test.each([
  ["that is away", away, 40, "archive.away"],
  ["that keeps half of a file", half, 41, "archive.unsound"],
  ["that changes a bit", flipped, 42, "archive.unsound"],
  ["that loses a file", vanishes, 43, "archive.unsound"],
  ["that dies over a file", halfAndDie, 44, null],
] as const)(
  "a storage %s costs nothing: the table stays, an alert tells, the next try is whole",
  async (_, fault, ago, code) => {
    for (const [place, plus] of [
      [archive, 0],
      [sealed, 60],
    ] as const) {
      api.runtime.archive = place;
      const { month: first, ids } = await month(ago + plus);
      const broken = faulty(place, fault);
      const ctx = contextOf(api, broken);
      await expect(exportNextFile(ctx, first)).rejects.toThrow();
      // No file is noted, so its rows are not in the files, and the table stays.
      expect(await dropMonth({ ...ctx, archive: place }, first)).toMatchObject({ state: "changed" });
      expect(await tableOf(first)).toBe(true);
      const subject = code === "archive.away" ? "storage" : first.slice(0, 7);
      if (code !== null) expect(await openAlerts(code, subject)).toHaveLength(1);
      expect(await idsOf(first)).toEqual(ids);
      broken.state.fails = false;
      await makeCold(ctx, first);
      if (code !== null) expect(await openAlerts(code, subject)).toEqual([]);
      expect(await idsOf(first)).toEqual(ids);
      expect(place.files(`${prefixOf(first)}part`)).toHaveLength(1);
    }
  },
);

test("a run that is killed at any call of the storage or the database is repeated without loss or double", async () => {
  api.runtime.archive = archive;
  let died = 0;
  for (let killAt = 1; ; killAt++) {
    const { month: first, ids } = await month(110 + killAt);
    let calls = 0;
    const dies =
      <A extends unknown[], R>(call: (...args: A) => R) =>
      (...args: A): R => {
        if (++calls === killAt) throw new Error("killed");
        return call(...args);
      };
    const ctx = contextOf(api, archive);
    const db = new Proxy(ctx.db, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        const bound = (value as (...args: unknown[]) => unknown).bind(target);
        return name === "execute" ? dies(bound) : bound;
      },
    });
    const { storage } = archive;
    const dying: Storage = {
      ...storage,
      put: dies(storage.put),
      get: dies(storage.get),
      head: dies(storage.head),
      delete: dies(storage.delete),
    };
    const doomed = { ...ctx, db, archive: { storage: dying, keys: [] } };
    const end = await makeCold(doomed, first, { rowsMax: 10 }).catch(() => null);
    expect(await idsOf(first), `killed at call ${killAt}`).toEqual(ids);
    if (end !== null) break;
    died++;
    if (await tableOf(first)) await makeCold(ctx, first, { rowsMax: 10 });
    expect(await tableOf(first)).toBe(false);
    expect(await idsOf(first), `repeated after call ${killAt}`).toEqual(ids);
  }
  expect(died).toBeGreaterThan(15);
}, 120_000);

test("two runs that export the same month at the same time note its rows once", async () => {
  api.runtime.archive = archive;
  const { month: first, ids } = await month(38);
  const ctx = contextOf(api, archive);
  const run = async () => {
    for (let i = 0; i < 10; i++) {
      const file = await exportNextFile(ctx, first, { rowsMax: 5 }).catch(() => null);
      if (file?.wrote === false) break;
    }
  };
  await Promise.all([run(), run(), run()]);
  await makeCold(ctx, first);
  expect(await idsOf(first)).toEqual(ids);
  const [noted] = await api.db.rows(
    "app",
    "select sum(row_count)::int as rows from cold_months where month = $1",
    [first],
  );
  expect(noted).toEqual({ rows: ROWS });
});

test("a reader of the month keeps the drop waiting, and finds every event before, while and after", async () => {
  api.runtime.archive = archive;
  const { month: first, ids } = await month(37);
  const ctx = contextOf(api, archive);
  while ((await exportNextFile(ctx, first)).wrote);
  let isDone = false;
  const reading = Array.from({ length: 3 }, async () => {
    const seen = [];
    while (!isDone) seen.push(await idsOf(first));
    return seen;
  });
  const end = await dropMonth(ctx, first);
  isDone = true;
  expect(end.state).toBe("dropped");
  for (const seen of (await Promise.all(reading)).flat()) expect(seen).toEqual(ids);
});

const damages: [string, string, (file: string) => void][] = [
  ["is gone", "missing", (file) => fs.rmSync(file)],
  ["lost its end", "damaged", (file) => fs.truncateSync(file, fs.statSync(file).size - 100)],
  [
    "has one bit changed",
    "damaged",
    (file) => {
      const bytes = fs.readFileSync(file);
      bytes[200] = (bytes[200] as number) ^ 1;
      fs.writeFileSync(file, bytes);
    },
  ],
  [
    "is another file",
    "damaged",
    (file) => {
      const other = archive.files().find((key) => key.includes("part-") && !file.endsWith(key)) as string;
      fs.copyFileSync(path.join(archive.folder, other), file);
    },
  ],
];

test.each(damages)("a cold file that %s is named, and never passed over", async (_, fault, damage) => {
  api.runtime.archive = archive;
  const { month: first } = await month(70 + damages.findIndex(([, , one]) => one === damage));
  await makeCold(contextOf(api, archive), first);
  const [key = ""] = archive.files(`${prefixOf(first)}part`);
  const copy = fs.readFileSync(path.join(archive.folder, key));
  damage(path.join(archive.folder, key));
  const query = new URLSearchParams({ from: `${first}T00:00:00Z`, to: `${first.slice(0, 7)}-28T23:59:59Z` });
  const { status, body, headers } = await api.call("GET", `/audit/events?${query}`);
  expect([status, body.code, headers.get("content-type")]).toEqual([
    500,
    "archive_damaged",
    "application/problem+json",
  ]);
  expect(body.errors).toEqual([expect.objectContaining({ path: key, code: fault })]);
  expect(body.detail).toContain(key);
  expect(await openAlerts("archive.damaged", key)).toMatchObject([{ severity: "critical" }]);
  expect(await recheckDamaged(contextOf(api, archive))).toEqual({ sound: 0 });
  const newer = new URLSearchParams({ from: `${monthsAgo(1)}T00:00:00Z` });
  expect((await api.call("GET", `/audit/events?${newer}`)).status).toBe(200);
  // Somebody brings the file back.
  fs.writeFileSync(path.join(archive.folder, key), copy);
  expect(await recheckDamaged(contextOf(api, archive))).toEqual({ sound: 1 });
  expect(await openAlerts("archive.damaged", key)).toEqual([]);
  expect((await api.call("GET", `/audit/events?${query}`)).body.items).toHaveLength(ROWS);
});

test("a storage that is away is 503 with the object's name, and an export breaks off instead of ending early", async () => {
  api.runtime.archive = archive;
  const { month: first } = await month(80);
  await makeCold(contextOf(api, archive), first);
  const dead: Storage = {
    ...archive.storage,
    get: async (key) => {
      throw new StorageError("away", key);
    },
  };
  api.runtime.archive = { storage: dead, keys: [] };
  const query = new URLSearchParams({ from: `${first}T00:00:00Z`, to: `${first.slice(0, 7)}-28T23:59:59Z` });
  const { status, body, headers } = await api.call("GET", `/audit/events?${query}`);
  expect([status, body.code, headers.get("retry-after")]).toEqual([503, "unavailable", "30"]);
  expect(body.errors[0].path).toMatch(/^[0-9a-f-]{36}\/events\/.*parquet$/);
  expect(await openAlerts("archive.away", "storage")).toHaveLength(1);
  await expect(api.call("GET", `/audit/events/export?format=csv&${query}`)).rejects.toThrow(
    /export broke off/,
  );
  api.runtime.archive = null;
  expect((await api.call("GET", `/audit/events?${query}`)).status).toBe(503);
  const head = async (key: string) => {
    throw new StorageError("away", key);
  };
  expect(await recheckAway(contextOf(api, { storage: { ...dead, head }, keys: [] }))).toEqual({
    isBack: false,
  });
  expect(await openAlerts("archive.away", "storage")).toHaveLength(1);
  expect(await recheckAway(contextOf(api, archive))).toEqual({ isBack: true });
  expect(await openAlerts("archive.away", "storage")).toEqual([]);
});

test("a file whose key is no longer set says so", async () => {
  const { month: first } = await month(81);
  await makeCold(contextOf(api, sealed), first);
  api.runtime.archive = { storage: sealed.storage, keys: [] };
  const query = new URLSearchParams({ from: `${first}T00:00:00Z`, to: `${first.slice(0, 7)}-28T23:59:59Z` });
  const { status, body } = await api.call("GET", `/audit/events?${query}`);
  expect([status, body.errors[0].code]).toEqual([500, "unknown_key"]);
  api.runtime.archive = sealed;
  expect((await api.call("GET", `/audit/events?${query}`)).status).toBe(200);
});
