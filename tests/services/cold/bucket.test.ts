import { expect, test } from "vitest";
import { openStorage } from "../../../lib/storage/open.ts";
import type { Archive } from "../../../services/cold/open-file.ts";
import { exportNextFile } from "../../../services/cold/export-month.ts";
import { parseArchiveKeys } from "../../../lib/storage/archive-keys.ts";
import { useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, TEST_KEY } from "../../support/cold.ts";
import { useBucket } from "../../support/s3-server.ts";

const bucket = useBucket();
const api = useApi();
const ROWS = 30;

const month = async (ago: number) => {
  const first = monthsAgo(ago);
  const day = (i: number) => String((i % 28) + 1).padStart(2, "0");
  await storeEvents(
    api.db,
    "audit_events_archive",
    Array.from({ length: ROWS }, (_, i) => ({
      created_at: `${first.slice(0, 7)}-${day(i)}T00:00:00Z`,
      workspace_id: `ws-${i % 4}`,
    })),
  );
  return first;
};
const search = (first: string) =>
  api.call("GET", `/audit/events?to=${first.slice(0, 7)}-28T12:00:00Z&from=${first}T00:00:00Z`);

test("months go to a bucket, are found in it, and wait for it when it is away", async () => {
  const archive: Archive = { storage: openStorage(bucket.url("cold")), keys: parseArchiveKeys(TEST_KEY) };
  api.runtime.archive = archive;
  const ctx = contextOf(api, archive);
  const first = await month(24);
  expect(await makeCold(ctx, first, { rowsMax: 20 })).toBe(2);
  expect((await search(first)).body.items).toHaveLength(ROWS);

  const second = await month(23);
  await bucket.stop();
  await expect(exportNextFile(ctx, second)).rejects.toThrow();
  expect((await search(second)).body.items).toHaveLength(ROWS);
  const away = await search(first);
  expect([away.status, away.body.code]).toEqual([503, "unavailable"]);

  await bucket.start();
  await makeCold(ctx, second);
  expect((await search(second)).body.items).toHaveLength(ROWS);
  expect((await search(first)).body.items).toHaveLength(ROWS);
}, 60_000);
