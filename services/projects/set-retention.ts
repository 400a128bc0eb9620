import { insertProject, lockProject, setTrailRetention } from "../../db/queries/projects.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { projectBeingDeleted, type ProjectRetention, type Retention } from "./project.ts";

/**
 * Sets how many days a project keeps its trails, and registers the project if it is unknown; a change is logged with the
 * old value and the new one. Throws `conflict` (409) when the project is being deleted.
 */
export async function setRetention(
  ctx: Context,
  projectId: string,
  { trailRetentionDays }: Retention,
): Promise<ProjectRetention> {
  requireScope(ctx, "projects:manage");
  requireProject(ctx, projectId);
  return ctx.db.transaction(async (tx) => {
    const log = (oldValues?: Retention) =>
      logServiceEvent({ ...ctx, db: tx }, "UPDATE_PROJECT_RETENTION", "project", projectId, {
        ...(oldValues ? { oldValues } : {}),
        newValues: { trailRetentionDays },
      });
    const answer = { projectId, trailRetentionDays };
    const createdByUserId = ctx.principal.userId;
    if (await insertProject(tx, { projectId, trailRetentionDays, createdByUserId })) {
      await log();
      return answer;
    }
    const before = await lockProject(tx, projectId);
    if (!before) throw projectBeingDeleted();
    if (before.trailRetentionDays === trailRetentionDays) return answer;
    await log({ trailRetentionDays: before.trailRetentionDays });
    await setTrailRetention(tx, projectId, trailRetentionDays);
    return answer;
  });
}
