import os from "node:os";
import { beforeAll, expect, test } from "vitest";
import { useCli } from "../support/cli.ts";
import { useDatabase } from "../support/database.ts";
import { autovacuumEnded } from "../support/waits.ts";
import { partitionOfNow } from "../db/helpers.ts";

const db = useDatabase();
const afterimage = useCli(db);
const reindex = (...args: string[]) => afterimage(["maintenance", "reindex", ...args]);
const INDEX = "job_runs_job";
const size = async () =>
  Number((await db.rows("admin", `select pg_relation_size('audit.${INDEX}') as bytes`))[0]?.bytes);

beforeAll(async () => {
  await db.asOwner(
    "insert into audit.job_runs (job_id, trigger, status) select 'trail-cleanup', 'manual', 'completed' from generate_series(1, 60000)",
  );
  await db.asOwner("delete from audit.job_runs where id not in (select id from audit.job_runs limit 100)");
  await autovacuumEnded(db);
  await db.asOwner("vacuum analyze audit.job_runs");
}, 60_000);

test("a dry run names what is bloated, with its size, and rebuilds nothing", async () => {
  const before = await size();
  const { code, stdout } = await reindex("--dry-run", "--min-mb", "1");
  expect(code).toBe(0);
  expect(stdout).toMatch(/would rebuild audit\.job_runs_job \(\d\.\d MB, 9\d % empty\)/);
  expect(stdout).not.toContain("audit_events_");
  expect(await size()).toBe(before);
});

test("what is bloated is rebuilt, and smaller", async () => {
  const before = await size();
  const { code, stdout } = await reindex("--min-mb", "1");
  expect(code).toBe(0);
  expect(stdout).toMatch(/\d+ of \d+ rebuilt; [\d.]+ MB freed\./);
  expect(await size()).toBeLessThan(before / 10);
  expect((await reindex("--min-mb", "1")).stdout).toMatch(/None of \d+ indexes needs it/);
});

test("an invalid index of a month is rebuilt however small, and what a broken-off rebuild left is dropped", async () => {
  const month = partitionOfNow();
  const [index] = await db.rows(
    "admin",
    "select indexrelid::bigint as id from pg_index where indrelid = $1::regclass order by 1 limit 1",
    [`audit.${month}`],
  );
  await db.asOwner("create index job_runs_job_ccnew on audit.job_runs (job_id)");
  await db.rows(
    "superuser",
    "update pg_index set indisvalid = false where indexrelid in ('audit.job_runs_job_ccnew'::regclass, $1::oid)",
    [index?.id],
  );
  const { code, stdout } = await reindex();
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("2 of 2 rebuilt") });
  expect(await db.rows("admin", "select from pg_index where not indisvalid")).toEqual([]);
  expect(await db.rows("admin", "select from pg_class where relname = 'job_runs_job_ccnew'")).toEqual([]);
});

test("of one month alone, every index is rebuilt when that is asked for", async () => {
  const { code, stdout } = await reindex("--table", partitionOfNow(), "--all");
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/(\d+) of \1 rebuilt/) });
});

test("who rebuilt what, and how it ended, is in the log; a dry run is not", async () => {
  const noted = () =>
    db.rows(
      "admin",
      `select action_type as action, created_by_user_id as by, new_values as values from audit.audit_events
       where resource_type = 'database' and action_type like 'REINDEX%' order by created_at, id`,
    );
  const before = await noted();
  await reindex("--table", "job_runs", "--all", "--dry-run");
  expect(await noted()).toEqual(before);
  await reindex("--table", "job_runs", "--all");
  const by = `operator:${os.userInfo().username}`;
  const [first = {}, last] = (await noted()).slice(before.length);
  expect(first).toEqual({
    action: "REINDEX",
    by,
    values: { indexes: expect.arrayContaining(["audit.job_runs_job"]) },
  });
  const { indexes } = first.values as { indexes: string[] };
  expect(last).toEqual({
    action: "REINDEX_ENDED",
    by,
    values: { rebuilt: indexes.length, failed: [], bytesFreed: expect.any(Number) },
  });
});

test("an index that cannot be rebuilt is named with the code, on the terminal and in the log", async () => {
  // A unique index over what is there twice is what a rebuild refuses.
  await db.asOwner("create table audit.twice (id int)");
  await db.asOwner("create unique index twice_id on audit.twice (id)");
  await db.rows(
    "superuser",
    "update pg_index set indisunique = false where indexrelid = 'audit.twice_id'::regclass",
  );
  await db.asOwner("insert into audit.twice values (1), (1)");
  await db.rows(
    "superuser",
    "update pg_index set indisunique = true where indexrelid = 'audit.twice_id'::regclass",
  );
  const { code, stdout } = await reindex("--table", "twice", "--all");
  expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining("FAIL  audit.twice_id:") });
  const [last] = await db.rows(
    "admin",
    "select new_values as values from audit.audit_events where action_type = 'REINDEX_ENDED' order by created_at desc limit 1",
  );
  expect(last?.values).toMatchObject({ rebuilt: 0, failed: [{ index: "audit.twice_id", code: "23505" }] });
  await db.asOwner("drop table audit.twice");
});

test.each([
  [["--table", "nothing"], /nothing is no table of the schema audit/],
  [["--bloat", "101"], /bloat/],
])("%j is refused in words", async (args, message) => {
  const { code, stderr } = await reindex(...args);
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(message) });
});

test("help says what is locked", async () => {
  expect((await reindex("--help")).stdout).toContain("Reads and writes go on.");
});
