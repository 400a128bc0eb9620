import { beforeAll, beforeEach, expect, test } from "vitest";
import { useCli } from "../support/cli.ts";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();
const afterimage = useCli(db);
const verify = (...args: string[]) => afterimage(["history", "verify", ...args]);

beforeAll(async () => {
  await db.rows(
    "admin",
    `create schema app;
     create table app.one (id int primary key, v text); create table app.two (id int primary key, v text);
     select audit.track('app.one'), audit.track('app.two');
     insert into app.one select n, 'a' from generate_series(1, 4100) n;
     insert into app.two values (1, 'a')`,
  );
});

const unrecorded = (table: string, text: string) =>
  db.rows(
    "admin",
    `begin; alter table ${table} disable trigger user; ${text}; alter table ${table} enable trigger user; commit`,
  );

beforeEach(async () => {
  await unrecorded("app.one", "update app.one set v = 'a'");
});

test("all tables, whole, are checked in batches, and a sound history ends with 0", async () => {
  const { code, stdout } = await verify();
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `Verifying app.one …
app.one: 0 breaks
Verifying app.two …
app.two: 0 breaks
4101 records of 2 tables checked: 0 breaks, 0 unexplained.
`,
  });
});

test("each unexplained break is shown with its record, entry, kind and what to do, and ends with 1", async () => {
  await unrecorded(
    "app.one",
    "update app.one set v = 'b' where id in (1, 4100); delete from app.one where id = 2222",
  );
  const { code, stdout } = await verify("app.one");
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^FAIL {2}app\.one 1, entry \d+: live \(v\)\n\s+→ The row changed unrecorded after this entry/m,
  );
  expect(stdout).toMatch(/^FAIL {2}app\.one 4100, entry \d+: live \(v\)$/m);
  expect(stdout).toMatch(/^FAIL {2}app\.one 2222, entry \d+: live$/m);
  expect(stdout).toContain("4100 records of 1 table checked: 3 breaks, 3 unexplained.");
  await unrecorded("app.one", "insert into app.one values (2222, 'a')");
});

test("what a known gap explains is shown, and ends with 0", async () => {
  await afterimage(["capture", "off"]);
  await db.rows("admin", "update app.two set v = 'b'");
  await afterimage(["capture", "on"]);
  const { code, stdout } = await verify("app.two");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ok {4}app\.two 1, entry \d+: live \(v\)\n\s+→ Capture was switched off/m);
});

test("a sample looks at the records of the newest entries alone", async () => {
  await unrecorded("app.one", "update app.one set v = 'b' where id = 1");
  await db.rows("admin", "update app.one set v = 'c' where id = 2");
  expect(await verify("--sample", "1", "app.one")).toMatchObject({
    code: 0,
    stdout: "1 record of 1 table checked: 0 breaks, 0 unexplained.\n",
  });
});

test("a table that the workflows' role may not read is named, and ends with 1", async () => {
  await db.rows("admin", "revoke select on app.two from audit_worker");
  expect(await verify("app.two")).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/app\.two cannot be read\.\n\s+→ .*afterimage track app\.two/),
  });
  await db.rows("admin", "grant select on app.two to audit_worker");
});

test.each([
  [["app.none"], /app\.none is not tracked/],
  [["--sample", "0"], /sample/],
])("%j is refused in words", async (args, message) => {
  const { code, stderr } = await verify(...args);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
});
