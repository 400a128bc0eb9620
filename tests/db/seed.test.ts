import { describe, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { failure } from "./helpers.ts";
import { seedStatements, type SeedStatement } from "./seed-statements.ts";

const db = useDatabase();

/** As the login in dev.json runs it: the admin's own, without SET ROLE but where the statement's entry says why. */
const run = ({ needsOwner }: SeedStatement, sql: string) =>
  needsOwner ? db.asOwner(sql) : db.rows("admin", sql);

/** Ids of workspaces, users and resources are text here, so the guide's casts of them fall away. */
const withoutCasts = (sql: string) => sql.replaceAll(/('[^']*')::uuid/g, "$1");

const named = seedStatements.map((statement, i) => ({
  ...statement,
  name: `${i + 1}. ${statement.section}: ${statement.sql.replaceAll(/\s+/g, " ").slice(0, 70)}`,
}));

/** Written out, so that one more must be argued here. */
const EXCEPTIONS = [
  "2. Step 1.2: pg_partitioned_table has no relname: it knows its table as partrelid",
  "8. Step 2.3: ids of events are UUIDs, and 'event-123' is none",
  "9. Step 2.3: ids of events are UUIDs, and 'event-123' is none",
  "10. Step 2.3: arrives with erasure",
  "16. Step 3.2: pg_cron is job_runs here",
  "21. Step 3.4: an event moves by the keeper's functions alone, and ids of events are UUIDs",
  "24. Step 4.3: pg_stat_user_tables calls the column relname",
  "25. Step 4.4: storage parameters go on leaves; every month is made with these",
  "31. Test 4: arrives with erasure",
  "36. Daily Checks: pg_cron is job_runs here",
  "45. Archive Job Not Running: pg_cron is job_runs here",
  "46. Archive Job Not Running: pg_cron is job_runs here",
];
const FOR_THE_OWNER = [
  "25. Step 4.4: ALTER TABLE is the owner's",
  "42. Monthly Maintenance: for anybody else ANALYZE warns and does nothing",
  "43. Monthly Maintenance: REINDEX is the owner's",
  "51. Constraints Too Strict: ALTER TABLE is the owner's",
  "52. Constraints Too Strict: ALTER TABLE is the owner's",
];

describe("the operators' guide, in its order", () => {
  test.each(named.filter(({ exception }) => !exception || exception.instead))("$name", async (statement) => {
    const { sql, fails, exception } = statement;
    const failed = await failure(run(statement, exception?.instead ?? withoutCasts(sql)));
    expect(`${failed.message} ${failed.constraint}`).toContain(fails ?? "nothing failed");
  });

  test("shows what the guide says it shows", async () => {
    const checks = await db.rows("admin", withoutCasts(statementOf("Step 2.1")));
    expect(checks.map((row) => row.constraint_name)).toEqual(
      expect.arrayContaining([
        "check_action_type_not_empty",
        "check_resource_type_not_empty",
        "check_workspace_id_not_null",
        "check_created_by_user_id_not_null",
        "check_created_at_not_future",
        "check_old_values_not_empty",
        "check_new_values_not_empty",
      ]),
    );
    const tables = await db.rows("admin", statementOf("Step 4.1"));
    expect(tables.map((row) => row.tablename)).toEqual(
      expect.arrayContaining(["audit_events", expect.stringMatching(/^audit_events_\d{4}_\d\d$/)]),
    );
    const triggers = await db.rows("admin", "SELECT * FROM pg_trigger WHERE tgname LIKE 'audit%';");
    expect(triggers.map((row) => row.tgname)).toContain("audit_events_immutable");
    const [count] = await db.rows("admin", "SELECT COUNT(*) FROM audit_events WHERE action_type = 'TEST';");
    expect(count).toEqual({ count: "2" });
    const [schedule] = await db.rows(
      "admin",
      "SELECT * FROM partition_schedule ORDER BY next_partition_date DESC;",
    );
    expect(schedule).toMatchObject({ table_name: "audit_events", months_ahead: 3, covers_now: true });
  });
});

describe("the guide's statements that cannot run as written", () => {
  test.each(named.filter(({ exception }) => exception))(
    "$name: $exception.reason",
    async ({ sql, exception }) => {
      // One that runs after all has no business in the list.
      const words = exception?.code === "22P02" ? sql : withoutCasts(sql);
      const { code } = await failure(db.asOwner(words));
      expect([exception?.code, exception?.codeOn15]).toContain(code);
    },
  );

  test.each(named.filter(({ sql, exception }) => !exception && /'::uuid/.test(sql)))(
    "$name: only for its casts",
    async (statement) => {
      expect(await failure(run(statement, statement.sql))).toMatchObject({
        code: "22P02",
        message: expect.stringContaining("type uuid"),
      });
    },
  );

  test("are these and no others", () => {
    const reasons = seedStatements.flatMap(({ section, exception }, i) =>
      exception ? [`${i + 1}. ${section}: ${exception.reason}`] : [],
    );
    expect(reasons).toEqual(EXCEPTIONS);
  });

  test("and those that need SET ROLE audit_owner are these", () => {
    const reasons = seedStatements.flatMap(({ section, needsOwner }, i) =>
      needsOwner ? [`${i + 1}. ${section}: ${needsOwner}`] : [],
    );
    expect(reasons).toEqual(FOR_THE_OWNER);
  });
});

function statementOf(section: string): string {
  const found = seedStatements.find((statement) => statement.section === section);
  if (!found) throw new Error(`no statement in ${section}`);
  return found.sql;
}
