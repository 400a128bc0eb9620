import type { z } from "zod";
import { importTrails as queryImport } from "../../db/queries/trails-import.ts";
import { FOREIGN_KEY_VIOLATION } from "../../lib/sqlstate.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { callerId } from "../inputs.ts";
import { postgresError } from "../postgres-errors.ts";
import { projectBeingDeleted } from "../projects/project.ts";
import { storeByHalves, type Refused } from "../store-by-halves.ts";
import { orPinned } from "./pinned.ts";
import { newTrail, toValues, withStatus } from "./trail.ts";

/** Classes 22 and 23 of SQLSTATE: what was sent cannot be stored as it is. */
const REFUSAL = /^2[23]/;

/** A trail of the past: unlike a new one it says of which message it is, and when that was. */
export const pastTrail = newTrail
  .required({ timestamp: true })
  .extend({ messageId: callerId })
  .transform(withStatus);
export type PastTrail = z.output<typeof pastTrail>;

/**
 * updated: a placeholder or failed trail that the import completes, or what an import brought before and nobody changed
 * since. present: what is stored is as far or further, and stays.
 */
type ImportOutcome = "stored" | "updated" | "present" | Refused;

/**
 * Stores trails from elsewhere, marked as imported: retention counts from now. Answers what became of each; one that is
 * refused does not keep the others away. No two may be of the same project and message.
 */
export async function importTrails(ctx: Context, trails: readonly PastTrail[]): Promise<ImportOutcome[]> {
  requireScope(ctx, "trails:write");
  for (const { projectId } of trails) requireProject(ctx, projectId);
  const store = async (some: readonly PastTrail[]): Promise<ImportOutcome[]> => {
    const outcomes = await queryImport(ctx.db, some.map(toRow), ctx.principal.userId);
    return outcomes.map((one) =>
      one === "project deleted" ? { refused: projectBeingDeleted().message } : one,
    );
  };
  return storeByHalves(trails, store, reasonOf);
}

const toRow = (trail: PastTrail) => ({
  ...toValues(trail),
  project_id: trail.projectId,
  message_id: trail.messageId,
  status: trail.status,
});

function reasonOf(error: unknown): string | null {
  const pinned = orPinned(error);
  if (pinned instanceof ServiceError) return pinned.message;
  const { code = "", constraint } = postgresError(error) ?? {};
  if (!REFUSAL.test(code)) return null;
  if (code === FOREIGN_KEY_VIOLATION) return projectBeingDeleted().message;
  return `The database refused this${constraint ? ` by its check ${constraint}` : ""} (${code}).`;
}
