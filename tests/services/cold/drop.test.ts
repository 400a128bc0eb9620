import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { StorageError } from "../../../lib/storage/storage.ts";
import { dropMonth } from "../../../services/cold/drop-month.ts";
import { exportNextFile } from "../../../services/cold/export-month.ts";
import { withClient } from "../../db/helpers.ts";
import { useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";

const api = useApi();
const archive = useArchive();
const another = useArchive();
const prefixOf = (month: string) => `events/${month.slice(0, 7).replace("-", "/")}/part`;

/** A month of three events, in as many files, not dropped yet. */
async function exported(ago: number): Promise<string> {
  const month = monthsAgo(ago);
  const events = ["03", "04", "05"].map((day) => ({ created_at: `${month.slice(0, 7)}-${day}T00:00:00Z` }));
  await storeEvents(api.db, "audit_events_archive", events);
  while ((await exportNextFile(contextOf(api, archive), month, { rowsMax: 1 })).wrote);
  return month;
}

const openAlerts = (subject: string) =>
  api.db.rows(
    "app",
    "select severity, message from alerts where code = 'archive.unsound' and subject = $1 and resolved_at is null",
    [subject],
  );

test.each([
  ["is gone", 30, (file: string) => fs.rmSync(file)],
  ["was cut", 31, (file: string) => fs.truncateSync(file, 10)],
] as const)(
  "an object that %s before its month is dropped keeps the month, which is exported anew",
  async (_, ago, lose) => {
    const month = await exported(ago);
    const [key = ""] = archive.files(prefixOf(month)).slice(1);
    lose(path.join(archive.folder, key));
    const ctx = contextOf(api, archive);
    expect(await dropMonth(ctx, month)).toEqual({ state: "lost", rows: 0 });
    expect(await openAlerts(month.slice(0, 7))).toMatchObject([{ message: expect.stringContaining(key) }]);
    expect(await makeCold(ctx, month)).toBe(1);
    expect(await openAlerts(month.slice(0, 7))).toEqual([]);
    expect(archive.files(prefixOf(month))).toHaveLength(1);
  },
);

test("a month whose first files are in another storage is exported whole to the one that is set", async () => {
  const month = await exported(32);
  const ctx = contextOf(api, another);
  expect(await dropMonth(ctx, month)).toMatchObject({ state: "lost" });
  await makeCold(ctx, month);
  expect(another.files(prefixOf(month))).toHaveLength(1);
});

test("a storage that does not answer keeps the month and its files", async () => {
  const month = await exported(33);
  const head = async (key: string) => {
    throw new StorageError("away", key);
  };
  const ctx = contextOf(api, { ...archive, storage: { ...archive.storage, head } });
  await expect(dropMonth(ctx, month)).rejects.toMatchObject({ fault: "away" });
  expect(await dropMonth(contextOf(api, archive), month)).toMatchObject({ state: "dropped", rows: 3 });
});

test("the drop waits for an autovacuum of the month until that has given way", async () => {
  const month = await exported(34);
  const table = `audit.audit_events_archive_${month.slice(0, 7).replace("-", "_")}`;
  await withClient(api.db, "superuser", async (vacuum) => {
    await vacuum.query(`begin; lock table ${table} in share update exclusive mode`);
    const started = performance.now();
    await expect(api.db.rows("worker", "select audit.drop_cold_month($1)", [month])).rejects.toMatchObject({
      code: "55P03",
    });
    // Postgres asks an autovacuum to give way after deadlock_timeout, a second.
    expect(performance.now() - started).toBeGreaterThan(2_000);
    await vacuum.query("rollback");
  });
  expect(await dropMonth(contextOf(api, archive), month)).toMatchObject({ state: "dropped" });
});
