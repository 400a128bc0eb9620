import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { dropMonth } from "../../../services/cold/drop-month.ts";
import { exportNextFile } from "../../../services/cold/export-month.ts";
import { planCold } from "../../../services/cold/plan.ts";
import { withClient } from "../../db/helpers.ts";
import { newId, useApi } from "../../support/api.ts";
import { contextOf, makeCold, monthsAgo, storeEvents, useArchive } from "../../support/cold.ts";

const api = useApi();
const plain = useArchive();
const sealed = useArchive({ encrypted: true });
const at = (month: string, time: string) => `${month.slice(0, 7)}-${time}`;

/** What no format must lose. */
const hostile = [
  { metadata: { digits: 1 } },
  { created_at: "11T23:59:59.999999Z", occurred_at: "1969-12-31T23:59:59.123457Z" },
  { occurred_at: "0044-03-15T00:00:00Z BC" },
  { tags: ["a", "", 'with "quotes", commas {and} braces', "null"], changed_fields: [] },
  { tags: [], ip_address: "2001:db8::1" },
  { ip_address: "10.1.2.3", user_agent: '\u0001\u001f\u007f\\ "\t\n\r\b\f/' },
  { user_agent: "\ufeffbegins with a byte order mark", request_id: " " },
  {
    workspace_id: "ws-ÄÖ-😀-\u{10ffff}",
    resource_id: "\ue000 sorts before 😀 by units and after it by code points",
  },
  { deletion_reason: "asked for", deleted_by_user_id: "u-9", deleted_at: "2026-01-01T00:00:00.000001Z" },
  { event_id: "own-id", user_agent: "" },
];

const numbers = `{"big": 123456789012345678901234567890.123456789, "small": 1e-40, "zero": -0.0, "text": "\\u0007 \\ud83d\\ude00", "deep": [[null, {"": []}]]}`;

async function hostileMonth(month: string): Promise<void> {
  const events = hostile.map(({ created_at = "10T12:00:00.000123Z", ...rest }: Record<string, unknown>) => ({
    ...rest,
    created_at: at(month, created_at as string),
  }));
  await storeEvents(api.db, "audit_events_archive", events);
  await api.db.rows(
    "superuser",
    `insert into audit.audit_events_archive (created_at, workspace_id, created_by_user_id, action_type, resource_type,
       resource_id, old_values, new_values, tags, id)
     values ($1, 'ws-1', 'u', 'a', 't', 'r', $2::jsonb, $2::jsonb, '{{a,NULL},{c,d}}', gen_random_uuid())`,
    [at(month, "15T00:00:00Z"), numbers],
  );
}

describe.each([
  ["a folder", plain, 40],
  ["encrypted files", sealed, 50],
])("%s", (_, archive, ago) => {
  test("a month is written in parts, read back to the last digit, and only then dropped", async () => {
    const ctx = contextOf(api, archive);
    const month = monthsAgo(ago);
    await hostileMonth(month);
    expect((await planCold(ctx)).months).toContain(month);
    expect(await makeCold(ctx, month, { rowsMax: 4 })).toBe(3);
    const files = await api.db.rows(
      "app",
      `select part, row_count::int as rows, dropped_at is not null as dropped, encryption ->> 'algorithm' as algorithm
       from cold_months where month = $1 order by part`,
      [month],
    );
    const algorithm = archive === sealed ? "AES-256-GCM" : null;
    expect(files).toEqual([
      { part: 1, rows: 4, dropped: true, algorithm },
      { part: 2, rows: 4, dropped: true, algorithm },
      { part: 3, rows: 3, dropped: true, algorithm },
    ]);
    const left = await api.db.rows("admin", "select to_regclass($1) as name", [
      `audit.audit_events_archive_${month.slice(0, 7).replace("-", "_")}`,
    ]);
    expect(left).toEqual([{ name: null }]);
    const log = await api.db.rows(
      "app",
      "select details ->> 'rows' as rows, jsonb_array_length(details -> 'files') as files from audit_deletion_log where subject_id = $1",
      [month.slice(0, 7)],
    );
    expect(log).toEqual([{ rows: "11", files: 3 }]);
    expect((await planCold(ctx)).months).not.toContain(month);
  });
});

test("the manifest says what is in the files of a month, and what they must be", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(30);
  await storeEvents(api.db, "audit_events_archive", [{ created_at: at(month, "03T00:00:00Z") }]);
  await makeCold(ctx, month);
  const [name = ""] = plain.files(`events/${month.slice(0, 7).replace("-", "/")}/manifest`);
  const manifest = JSON.parse(fs.readFileSync(path.join(plain.folder, name), "utf8"));
  expect(manifest).toMatchObject({ month: month.slice(0, 7), files: [{ rows: 1, schemaVersion: 1 }] });
  expect(manifest.files[0].sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(plain.files()).toContain(manifest.files[0].object);
});

test("a month waits until the last of its workspaces is past its own warm time", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(20);
  const patient = newId("ws");
  await api.db.rows(
    "superuser",
    "insert into audit.audit_retention_policies (workspace_id, warm_archive_days) values ($1, 1500)",
    [patient],
  );
  await storeEvents(api.db, "audit_events_archive", [
    { created_at: at(month, "03T00:00:00Z") },
    { created_at: at(month, "04T00:00:00Z"), workspace_id: patient },
  ]);
  expect((await planCold(ctx)).months).not.toContain(month);
  await api.db.rows(
    "superuser",
    "update audit.audit_retention_policies set warm_archive_days = 365 where workspace_id = $1",
    [patient],
  );
  expect((await planCold(ctx)).months).toContain(month);
});

test("a month that a weekly report may still count stays in the database, whatever the policy says", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(1);
  const hasty = newId("ws");
  await api.db.rows(
    "superuser",
    "insert into audit.audit_retention_policies (workspace_id, hot_retention_days, warm_archive_days) values ($1, 1, 2)",
    [hasty],
  );
  await storeEvents(api.db, "audit_events_archive", [
    { created_at: at(month, "25T00:00:00Z"), workspace_id: hasty },
  ]);
  expect((await planCold(ctx)).months).not.toContain(month);
});

test("an event that arrives between export and drop keeps the month, which is exported anew", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(29);
  await storeEvents(api.db, "audit_events_archive", [
    { created_at: at(month, "03T00:00:00Z"), workspace_id: "b" },
  ]);
  await exportNextFile(ctx, month);
  await exportNextFile(ctx, month);
  await storeEvents(api.db, "audit_events_archive", [
    { created_at: at(month, "02T00:00:00Z"), workspace_id: "a" },
  ]);
  expect(await dropMonth(ctx, month)).toMatchObject({ state: "changed" });
  expect(plain.files(`events/${month.slice(0, 7).replace("-", "/")}/part`)).toEqual([]);
  const alerts = await api.db.rows(
    "app",
    "select severity from alerts where code = 'archive.unsound' and subject = $1 and resolved_at is null",
    [month.slice(0, 7)],
  );
  expect(alerts).toEqual([{ severity: "warning" }]);
  expect(await makeCold(ctx, month)).toBe(1);
  const open = await api.db.rows(
    "app",
    "select from alerts where code = 'archive.unsound' and subject = $1 and resolved_at is null",
    [month.slice(0, 7)],
  );
  expect(open).toEqual([]);
});

test("late events of a month that is cold already become further parts of it", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(28);
  await storeEvents(api.db, "audit_events_archive", [{ created_at: at(month, "03T00:00:00Z") }]);
  await makeCold(ctx, month);
  await storeEvents(api.db, "audit_events_archive", [{ created_at: at(month, "01T00:00:00Z") }]);
  await makeCold(ctx, month);
  const parts = await api.db.rows(
    "app",
    "select part from cold_months where month = $1 and dropped_at is not null order by part",
    [month],
  );
  expect(parts).toEqual([{ part: 1 }, { part: 2 }]);
});

test("the database notes a file by what it counts itself, and none whose rows are not the table's", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(24);
  const ids = await storeEvents(api.db, "audit_events_archive", [
    { created_at: at(month, "03T00:00:00Z"), workspace_id: "ws-a" },
    { created_at: at(month, "04T00:00:00.000001Z"), workspace_id: "ws-b" },
  ]);
  await exportNextFile(ctx, month);
  const [noted] = await api.db.rows<{ file: Record<string, unknown> }>(
    "worker",
    "select to_jsonb(f) as file from cold_months f where month = $1",
    [month],
  );
  expect(noted?.file).toMatchObject({ row_count: 2, workspaces: ["ws-a", "ws-b"], min_workspace_id: "ws-a" });
  expect([noted?.file.min_id, noted?.file.max_id]).toEqual(ids.toSorted());
  await api.db.rows("worker", "select audit.discard_cold_files($1)", [month]);
  const note = async (change: Record<string, unknown>) => {
    const file = { ...noted?.file, object_key: "events/forged.parquet", ...change };
    const [row] = await api.db.rows("worker", "select audit.note_cold_file($1) as noted", [file]);
    return row?.noted;
  };
  expect(await note({ rows_digest: `\\x${"0".repeat(64)}` })).toBe(false);
  expect(
    await note({ last_id: ids[0], last_workspace_id: "ws-a", last_created_at: at(month, "03T00:00:00Z") }),
  ).toBe(false);
  expect(await note({ last_workspace_id: "a" })).toBe(false);
  const lie = {
    row_count: 7,
    row_marks: 7,
    workspaces: ["ws-x"],
    min_id: ids[1],
    min_created_at: at(month, "04"),
  };
  expect(await note(lie)).toBe(true);
  const told = await api.db.rows<{ file: Record<string, unknown> }>(
    "worker",
    "select to_jsonb(f) as file from cold_months f where month = $1",
    [month],
  );
  const same = { id: expect.anything(), verified_at: expect.anything(), object_key: "events/forged.parquet" };
  expect(told.map(({ file }) => file)).toEqual([{ ...noted?.file, ...same }]);
  await expect(api.db.rows("worker", "insert into cold_months (month) values ($1)", [month])).rejects.toThrow(
    "permission denied",
  );
});

test("nobody drops a month whose rows are not in noted files, nor by an old snapshot", async () => {
  const month = monthsAgo(27);
  await storeEvents(api.db, "audit_events_archive", [{ created_at: at(month, "03T00:00:00Z") }]);
  const drop = (role: "app" | "worker") =>
    api.db.rows(role, "select audit.drop_cold_month($1) as answer", [month]);
  await expect(drop("app")).rejects.toThrow("permission denied");
  expect(await drop("worker")).toEqual([{ answer: { state: "changed", rows: 1, noted: 0 } }]);
  const old = await api.db.pool("worker").connect();
  try {
    await old.query("begin isolation level repeatable read");
    await expect(old.query("select audit.drop_cold_month($1)", [month])).rejects.toThrow("READ COMMITTED");
  } finally {
    old.release(true);
  }
});

test("as many rows as before, and one of them another, keep the month", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(25);
  const [first] = await storeEvents(api.db, "audit_events_archive", [
    { created_at: at(month, "03T00:00:00Z") },
    { created_at: at(month, "04T00:00:00Z") },
  ]);
  while ((await exportNextFile(ctx, month)).wrote);
  await withClient(api.db, "superuser", async (client) => {
    await client.query("set session_replication_role = replica");
    // As an erasure would: the same id, another content.
    await client.query("update audit.audit_events_archive set user_agent = 'erased' where id = $1", [first]);
  });
  expect(await dropMonth(ctx, month)).toMatchObject({ state: "changed" });
  await makeCold(ctx, month);
  api.runtime.archive = plain;
  const { body } = await api.call(
    "GET",
    `/audit/events?from=${at(month, "01T00:00:00Z")}&to=${at(month, "05T00:00:00Z")}`,
  );
  expect(body.items.map(({ userAgent }: { userAgent: string }) => userAgent)).toEqual([null, "erased"]);
});

test("a reader who holds the month makes the drop give up within a second, and nothing is lost", async () => {
  const ctx = contextOf(api, plain);
  const month = monthsAgo(26);
  await storeEvents(api.db, "audit_events_archive", [{ created_at: at(month, "03T00:00:00Z") }]);
  while ((await exportNextFile(ctx, month)).wrote);
  const reader = await api.db.pool("app").connect();
  try {
    await reader.query("begin");
    await reader.query("select count(*) from audit_events_archive");
    const drop = api.db.rows("worker", "select audit.drop_cold_month($1)", [month]);
    await expect(drop).rejects.toMatchObject({ code: "55P03" });
  } finally {
    reader.release(true);
  }
  expect(await dropMonth(ctx, month)).toMatchObject({ state: "dropped" });
});

test("nothing is exported where there is no place for it", async () => {
  expect(await planCold({ ...contextOf(api, plain), archive: null })).toEqual({ months: [], remains: false });
});
