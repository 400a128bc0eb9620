import { z } from "zod";
import type { ProjectRow } from "../../db/queries/projects.ts";
import { ServiceError } from "../errors.ts";

const RETENTION_DAYS_MAX = 3_650;

export const retention = z.strictObject({ trailRetentionDays: z.int().min(1).max(RETENTION_DAYS_MAX) });
export type Retention = z.infer<typeof retention>;

export const project = z
  .object({
    projectId: z.string(),
    trailRetentionDays: z.int(),
    createdAt: z.string(),
    createdByUserId: z.string(),
  })
  .meta({ id: "Project" });
export type Project = z.infer<typeof project>;

export const projectRetention = project.pick({ projectId: true, trailRetentionDays: true });
export type ProjectRetention = z.infer<typeof projectRetention>;

export const toProject = (row: ProjectRow): Project => ({
  projectId: row.projectId,
  trailRetentionDays: row.trailRetentionDays,
  createdAt: row.createdAt.toISOString(),
  createdByUserId: row.createdByUserId,
});

export const projectBeingDeleted = () =>
  new ServiceError(
    "conflict",
    "This project is being deleted, which a legal hold may delay; wait until that is done, or use another projectId.",
  );
