import { addPartitions, partitionSchedule } from "../../db/queries/partitions.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const MONTHS_AHEAD = 3;

/** Adds what is missing of last month, this month and three months ahead, to every partitioned table. */
export async function ensurePartitions(ctx: WorkerContext): Promise<{ added: number }> {
  return { added: await addPartitions(ctx.db, MONTHS_AHEAD) };
}

/** Looks whether the months are there, and raises or resolves the alert for each table. */
export async function verifyPartitions(ctx: WorkerContext): Promise<{ monthsAhead: number }> {
  const tables = await partitionSchedule(ctx.db);
  for (const { tableName, monthsAhead } of tables) {
    if (monthsAhead >= MONTHS_AHEAD) {
      await resolveAlert(ctx, "partitions.missing", tableName);
      continue;
    }
    await raiseAlert(ctx, {
      code: "partitions.missing",
      subject: tableName,
      severity: monthsAhead < 1 ? "critical" : "warning",
      message: `${tableName} has partitions for ${monthsAhead} months ahead instead of ${MONTHS_AHEAD}. Run POST /api/jobs/create-partitions/run; if that fails, npx afterimage doctor.`,
      details: { monthsAhead },
    });
  }
  return { monthsAhead: Math.min(...tables.map((one) => one.monthsAhead)) };
}
