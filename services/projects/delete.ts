import { z } from "zod";
import {
  countOfProject,
  insertDeletion,
  lockProject,
  markProjectDeleted,
} from "../../db/queries/projects.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { filledText } from "../inputs.ts";
import { requestRun } from "../jobs/run.ts";

const REASON_LENGTH_MAX = 1_000;

export const projectDeletion = z.strictObject({
  reason: filledText(REASON_LENGTH_MAX).optional(),
});
type ProjectDeletion = z.infer<typeof projectDeletion>;

export const deletedProject = z
  .object({
    projectId: z.string(),
    trailCount: z.int().describe("How many trails there were."),
    isHeld: z
      .boolean()
      .describe("A legal hold keeps the project and all of its trails, hidden, until it is released."),
    heldTrailCount: z.int().describe("Trails that are kept, by a hold on them or on the project."),
    runId: z.string(),
  })
  .meta({ id: "DeletedProject" });
type DeletedProject = z.infer<typeof deletedProject>;

/**
 * Logs the deletion of a project, then hides it and its trails at once, and asks for a run of the clean-up, which deletes
 * the rows in bounded batches, but not what a legal hold keeps: that is deleted once it is released. Throws `not_found` when
 * the project is unknown, another tenant's or deleted already.
 */
export async function deleteProject(
  ctx: Context,
  projectId: string,
  { reason }: ProjectDeletion,
): Promise<DeletedProject> {
  requireScope(ctx, "projects:manage");
  requireProject(ctx, projectId);
  return ctx.db.transaction(async (tx) => {
    const project = await lockProject(tx, projectId);
    if (!project) throw notFound("project");
    const counts = await countOfProject(tx, projectId);
    await insertDeletion(tx, {
      deletedByUserId: ctx.principal.userId,
      subjectType: "project",
      subjectId: projectId,
      deletionReason: reason ?? null,
      details: { ...counts, requestId: ctx.requestId, keyId: ctx.principal.keyId },
    });
    const { trailRetentionDays, createdAt, createdByUserId } = project;
    const inner = { ...ctx, db: tx };
    await logServiceEvent(inner, "DELETE_PROJECT", "project", projectId, {
      oldValues: { trailRetentionDays, createdAt: createdAt.toISOString(), createdByUserId },
      metadata: { ...counts, ...(reason === undefined ? {} : { reason }) },
    });
    await markProjectDeleted(tx, projectId);
    const { id: runId } = await requestRun(inner, "trail-cleanup");
    const { trailCount, isHeld, heldTrailCount } = counts;
    return { projectId, trailCount, isHeld, heldTrailCount, runId };
  });
}
