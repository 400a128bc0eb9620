import { beforeAll, expect, test } from "vitest";
import { leftOverObjects, nameObject } from "../../../db/queries/cold-objects.ts";
import { planCold } from "../../../services/cold/plan.ts";
import { purgeFile } from "../../../services/purges/carry-out.ts";
import { expectProblem } from "../../api/support.ts";
import { useApi, type TestApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";

const here = useApi();
const there = useApi();
const archive = useArchive();
const day = (month: string, n: number) => `${month.slice(0, 7)}-0${n}T00:00:00Z`;
const folderOf = (month: string) => `events/${month.slice(0, 7).replace("-", "/")}/`;

beforeAll(async () => {
  for (const { runtime } of [here, there]) runtime.archive = archive;
  // Test databases are copies of one; installations are not.
  await there.db.asOwner("update audit.installation set id = gen_random_uuid()");
});

async function found(api: TestApi, month: string): Promise<number> {
  const { status, body } = await api.call("GET", `/audit/events?from=${day(month, 1)}&to=${day(month, 9)}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.items.length;
}

test("two installations that share a storage leave each other's files alone", async () => {
  const month = monthsAgo(30);
  await storeEvents(here.db, "audit_events_archive", [
    { created_at: day(month, 2) },
    { created_at: day(month, 3) },
  ]);
  await storeEvents(there.db, "audit_events_archive", [{ created_at: day(month, 2) }]);
  await makeCold(contextOf(here, archive), month);
  await makeCold(contextOf(there, archive), month);
  expect([await found(here, month), await found(there, month)]).toEqual([2, 1]);
  expect(archive.files(`${folderOf(month)}part`)).toHaveLength(2);
  expect(archive.files(`${folderOf(month)}manifest`)).toHaveLength(2);
});

test("what a try has left is removed when its month is done; what this database did not name, and what is just being written, stay", async () => {
  const month = monthsAgo(31);
  const ctx = contextOf(here, archive);
  await storeEvents(here.db, "audit_events_archive", [{ created_at: day(month, 2) }]);
  const left = await nameObject(ctx.db, month, `${folderOf(month)}part-0001-left.parquet`);
  const foreign = left.replace("left", "foreign");
  for (const key of [left, foreign]) await archive.storage.put(key, new Uint8Array(1));
  await makeCold(ctx, month);
  expect(archive.files()).not.toContain(left);
  expect(archive.files()).toContain(foreign);
  expect(await leftOverObjects(ctx.db, month)).toEqual([]);
  const late = await nameObject(ctx.db, month, `${folderOf(month)}part-0002-late.parquet`);
  expect(await leftOverObjects(ctx.db, month)).toEqual([]);
  await storeEvents(here.db, "audit_events_archive", [{ created_at: day(month, 3) }]);
  await makeCold(ctx, month);
  expect(await here.db.rows("app", "select from cold_objects where object_key = $1", [late])).toEqual([]);
  expect(await found(here, month)).toBe(2);
});

test("where schedules rest, nothing is exported and no file is purged, whoever asks", async () => {
  const [due, old] = [monthsAgo(32), monthsAgo(120)];
  const ctx = contextOf(here, archive);
  for (const month of [due, old]) {
    await storeEvents(here.db, "audit_events_archive", [{ created_at: day(month, 2) }]);
  }
  await makeCold(ctx, old);
  const [file] = await here.db.rows<{ id: string }>(
    "app",
    "select id::text from cold_months where month = $1",
    [old],
  );
  const propose = (status: string) =>
    here.db.rows<{ id: string }>(
      "superuser",
      `insert into audit.purges (status, files, summary, expires_at, decision, decided_by_user_id, decided_at)
       select $1, array[$2::uuid], '{}', now() + interval '1 day', d, case when d is not null then 'boss' end,
         case when d is not null then now() end
       from (select case when $1 = 'approved' then 'approved' end as d) d
       returning id::text`,
      [status, file?.id],
    );
  const [waiting] = await propose("awaiting_approval");
  const [approved] = await propose("approved");
  const ref = { purgeId: approved?.id ?? "", requestId: approved?.id ?? "" };
  here.runtime.quiet = true;
  try {
    const quiet = contextOf(here, archive);
    expect(await planCold(quiet)).toEqual({ months: [], remains: false });
    await expect(purgeFile(quiet, ref, file?.id ?? "")).rejects.toMatchObject({ code: "conflict" });
    const answer = await here.call("POST", `/purges/${waiting?.id}/approve`, { body: {} });
    expectProblem(answer, 409, "conflict");
    expect(answer.body.detail).toContain("where the schedules run");
  } finally {
    here.runtime.quiet = false;
  }
  expect((await planCold(ctx)).months).toContain(due);
  expect(archive.files(`${folderOf(old)}part`)).toHaveLength(1);
  expect(await purgeFile(ctx, ref, file?.id ?? "")).toBe("purged");
  expect(archive.files(`${folderOf(old)}part`)).toEqual([]);
});
