import { eq, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { auditRetentionPolicies as p } from "../schema/index.ts";

export type PolicyRow = typeof p.$inferSelect;
type PolicyValues = Pick<
  PolicyRow,
  "hotRetentionDays" | "warmArchiveDays" | "coldRetentionDays" | "isComplianceMode" | "complianceReason"
>;

export async function findPolicy(db: Db, workspaceId: string): Promise<PolicyRow | null> {
  const [row] = await db.select().from(p).where(eq(p.workspaceId, workspaceId));
  return row ?? null;
}

/** Sets a workspace's policy; a trigger logs the change. Unchanged values change nothing. */
export async function setPolicy(db: Db, workspaceId: string, values: PolicyValues): Promise<PolicyRow> {
  const isOther = sql`(${p.hotRetentionDays}, ${p.warmArchiveDays}, ${p.coldRetentionDays}, ${p.isComplianceMode}, ${p.complianceReason})
    is distinct from (excluded.hot_retention_days, excluded.warm_archive_days, excluded.cold_retention_days, excluded.is_compliance_mode, excluded.compliance_reason)`;
  const [row] = await db
    .insert(p)
    .values({ workspaceId, ...values })
    .onConflictDoUpdate({ target: p.workspaceId, set: values, setWhere: isOther })
    .returning();
  return row ?? ((await findPolicy(db, workspaceId)) as PolicyRow);
}
