import fs from "node:fs";
import { expect, test } from "vitest";
import type { Archive } from "../../../services/cold/open-file.ts";
import { checkReadiness } from "../../../services/readiness/check.ts";
import { StorageError } from "../../../lib/storage/storage.ts";
import { useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";

const api = useApi();
const archive = useArchive();

async function check(where: Archive | null) {
  const { app, worker } = api.runtime;
  const { checks } = await checkReadiness(app.db, worker.db, { quiet: true, channels: [], archive: where });
  return checks.find((one) => one.name === "cold files");
}

test("without cold files no storage is missed", async () => {
  expect(await check(null)).toEqual({ name: "cold files", status: "ok", detail: "there are none" });
});

test("cold files without a storage, with one that is away or with another one are a warning with what to do", async () => {
  const month = monthsAgo(30);
  await storeEvents(api.db, "audit_events_archive", [{ created_at: `${month.slice(0, 7)}-03T00:00:00Z` }]);
  await makeCold(contextOf(api, archive), month);
  expect(await check(archive)).toMatchObject({ status: "ok", detail: "1, and the newest is there" });
  expect(await check(null)).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("ARCHIVE_URL is not set"),
    action: expect.stringContaining("Set ARCHIVE_URL"),
  });
  const away = async () => {
    throw new StorageError("away", "x");
  };
  expect(await check({ ...archive, storage: { ...archive.storage, head: away } })).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("does not answer"),
    action: expect.stringContaining("credentials"),
  });
  fs.rmSync(archive.folder, { recursive: true });
  expect(await check(archive)).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("lacks the newest"),
    action: expect.stringContaining("bring the object back"),
  });
});

test("/ready looks at the storage that is deployed", async () => {
  const { body } = await api.call("GET", "/ready", { key: null });
  expect(body.checks).toContainEqual(expect.objectContaining({ name: "cold files", status: "warn" }));
});
