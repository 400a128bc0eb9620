import { findProject } from "../../db/queries/projects.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { toProject, type Project } from "./project.ts";

/** A registered project; `not_found` when it is another tenant's, unknown or deleted. */
export async function getProject(ctx: Context, projectId: string): Promise<Project> {
  requireScope(ctx, "projects:read");
  requireProject(ctx, projectId);
  const row = await findProject(ctx.db, projectId);
  if (!row) throw notFound("project");
  return toProject(row);
}
