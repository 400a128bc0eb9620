import type { Db } from "../../db/client.ts";
import { partitionSchedule } from "../../db/queries/partitions.ts";
import { unguardedPartitions } from "../../db/queries/readiness.ts";
import { ok, type Verdict } from "./verdict.ts";

const MONTHS_AHEAD_MIN = 2;
/** Gets its rows months later, so it may lack this one. */
const LATE_TABLE = "audit_events_archive";

export async function checkGuards(db: Db): Promise<Verdict> {
  const open = await unguardedPartitions(db);
  if (open.length === 0) return ok("every part of the log refuses changes");
  return {
    status: "fail",
    detail: `The log can be changed in: ${open.join(", ")}.`,
    action:
      "Someone switched guards off or replaced them; find out who. As audit_owner: alter table audit.<name> enable trigger all; delete from audit.schema_versions where name like 'sql/%'. Then: npx afterimage migrate",
  };
}

export async function checkPartitions(db: Db): Promise<Verdict> {
  const tables = await partitionSchedule(db);
  // The job that makes them writes an event, too, so only SQL helps where this month is missing.
  const action = "As the admin, in SQL: select audit.create_monthly_audit_partition()";
  const missing = tables.filter((one) => !one.coversNow && one.tableName !== LATE_TABLE);
  if (missing.length > 0) {
    const names = missing.map((one) => one.tableName).join(", ");
    return {
      status: "fail",
      detail: `No partition for this month, so nothing can be written: ${names}.`,
      action,
    };
  }
  const short = tables.filter((one) => one.monthsAhead < MONTHS_AHEAD_MIN);
  if (short.length === 0) return ok(`at least ${MONTHS_AHEAD_MIN} months lie ahead`);
  const detail = short.map((one) => `${one.tableName}: ${one.monthsAhead} months ahead`).join(", ");
  return { status: "warn", detail, action };
}
