import { findTrailsByKeys } from "../../db/queries/trails-import.ts";
import type { TrailKey } from "../../db/queries/trail-row.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { toTrail, type Trail } from "./trail.ts";

/** The trails with these keys that there are, in no order. */
export async function findTrailsOf(ctx: Context, keys: readonly TrailKey[]): Promise<Trail[]> {
  requireScope(ctx, "trails:read");
  for (const { projectId } of keys) requireProject(ctx, projectId);
  return (await findTrailsByKeys(ctx.db, keys)).map(toTrail);
}
