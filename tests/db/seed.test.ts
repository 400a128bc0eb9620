import { describe, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { failure } from "./helpers.ts";
import { seedStatements } from "./seed-statements.ts";

const db = useDatabase();

/** Ids of workspaces, users and resources are text here, so the guide's casts of them fall away. */
const withoutCasts = (sql: string) => sql.replaceAll(/('[^']*')::uuid/g, "$1");

const named = seedStatements.map((statement, i) => ({
  ...statement,
  name: `${i + 1}. ${statement.section}: ${statement.sql.replaceAll(/\s+/g, " ").slice(0, 70)}`,
}));

describe("the operators' guide, in its order", () => {
  test.each(named.filter(({ exception }) => !exception || exception.instead))(
    "$name",
    async ({ sql, fails, exception }) => {
      const statement = exception?.instead ?? withoutCasts(sql);
      const failed = await failure(db.asOwner(statement));
      expect(`${failed.message} ${failed.constraint}`).toContain(fails ?? "nothing failed");
    },
  );

  test("shows what the guide says it shows", async () => {
    const checks = await db.asOwner(withoutCasts(statementOf("Step 2.1")));
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
    const tables = await db.asOwner(statementOf("Step 4.1"));
    expect(tables.map((row) => row.tablename)).toEqual(
      expect.arrayContaining(["audit_events", expect.stringMatching(/^audit_events_\d{4}_\d\d$/)]),
    );
    const triggers = await db.asOwner("SELECT * FROM pg_trigger WHERE tgname LIKE 'audit%';");
    expect(triggers.map((row) => row.tgname)).toContain("audit_events_immutable");
    const [count] = await db.asOwner("SELECT COUNT(*) FROM audit_events WHERE action_type = 'TEST';");
    expect(count).toEqual({ count: "2" });
    const [schedule] = await db.asOwner(
      "SELECT * FROM partition_schedule ORDER BY next_partition_date DESC;",
    );
    expect(schedule).toMatchObject({ table_name: "audit_events", months_ahead: 3 });
  });
});

describe("the guide's statements that cannot run as written", () => {
  test.each(named.filter(({ exception }) => exception))(
    "$name: $exception.reason",
    async ({ sql, exception }) => {
      // One that runs after all has no business in the list.
      const words = exception?.code === "22P02" ? sql : withoutCasts(sql);
      expect(await failure(db.asOwner(words))).toMatchObject({ code: exception?.code });
    },
  );

  test.each(named.filter(({ sql, exception }) => !exception && /'::uuid/.test(sql)))(
    "$name: only for its casts",
    async ({ sql }) => {
      expect(await failure(db.asOwner(sql))).toMatchObject({
        code: "22P02",
        message: expect.stringContaining("type uuid"),
      });
    },
  );

  test("are few", () => {
    expect(named.filter(({ exception }) => exception).length).toBeLessThan(named.length / 2);
  });
});

function statementOf(section: string): string {
  const found = seedStatements.find((statement) => statement.section === section);
  if (!found) throw new Error(`no statement in ${section}`);
  return found.sql;
}
