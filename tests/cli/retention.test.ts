import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SCHEMA, config } from "../services/cleanup/rules.ts";
import { useCli } from "../support/cli.ts";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();
const afterimage = useCli(db);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "retention-"));
const file = path.join(folder, "config.mjs");
const preview = (...args: string[]) => afterimage(["retention", "preview", ...args]);

beforeAll(async () => {
  fs.writeFileSync(file, `export default ${JSON.stringify({ tables: {}, retention: config.retention })};`);
  await db.rows("admin", SCHEMA);
  await db.rows(
    "admin",
    "insert into siren_events select n, 'sent', '2026-01-01T00:00:00Z' from generate_series(1, 3) n",
  );
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

test("a configuration that is not there is named as it was given", async () => {
  expect(await preview("--config", "nope.ts")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^afterimage: --config names nope\.ts, and there is no such file .*\n$/),
  });
});

test("the shipped configuration has no rules", async () => {
  expect(await preview()).toMatchObject({ code: 0, stdout: expect.stringContaining("There are no rules") });
});

test("each rule says what is due, what a run would delete, and what that means; nothing is deleted", async () => {
  const { code, stdout } = await preview("--config", file);
  expect(code).toBe(0);
  expect(stdout)
    .toContain(`public.siren_events where status is sent or failed or cancelled and created_at is older than 90 days
  due now: 3, the oldest of 2026-01-01T00:00:00.000Z
  a run would delete: 3
  tracked: a restore can bring them back`);
  expect(stdout).toContain(
    "public.siren_deliveries (siren_deliveries_event_id_fkey): rows that reference them go with them",
  );
  expect(stdout).toContain(
    "public.siren_escalations (siren_escalations_event_id_fkey): rows that are referenced from there stay",
  );
  expect(stdout).toContain(
    "not tracked: they are gone for good; npx afterimage track public.wa_media_signatures",
  );
  expect(await db.rows("admin", "select from siren_events")).toHaveLength(3);
});

test("a rule that does not fit is named with what to do, and ends with 1", async () => {
  await db.rows("admin", "revoke delete on wa_media_signatures from audit_worker");
  const { code, stdout } = await preview("--config", file);
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /FAIL {2}public\.wa_media_signatures may not be cleaned by audit_worker; as its owner run: grant/,
  );
  expect(JSON.parse((await preview("--config", file, "--json")).stdout)).toHaveLength(3);
});
