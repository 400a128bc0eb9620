import { z } from "zod";
import { importTrails as queryImport, type ImportOutcome } from "../../db/queries/trails-import.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { callerId } from "../inputs.ts";
import { holdAmount } from "./amounts.ts";
import { newTrail, toValues } from "./trail.ts";

/** A trail of the past: unlike a new one it says of which message it is, and when that was. */
export const pastTrail = newTrail
  .required({ timestamp: true })
  .extend({ messageId: callerId })
  // A placeholder's zeros are not known amounts: as a cost they would say that the message was free.
  .transform((trail) => {
    const isOpen = trail.status === undefined || trail.status === "placeholder";
    const isEmpty = isOpen && !holdAmount(trail.tokens, trail.cost);
    const status = trail.status ?? (isEmpty ? ("placeholder" as const) : ("complete" as const));
    return { ...trail, status, ...(isEmpty ? { tokens: null, cost: null } : {}) };
  });
export type PastTrail = z.output<typeof pastTrail>;

/**
 * Stores trails from elsewhere, marked as imported: retention counts from now. What is stored already stays, unless it is
 * a placeholder and the import knows more. Answers what became of each. No two may be of the same project and message.
 */
export async function importTrails(ctx: Context, trails: readonly PastTrail[]): Promise<ImportOutcome[]> {
  requireScope(ctx, "trails:write");
  for (const { projectId } of trails) requireProject(ctx, projectId);
  const values = trails.map((trail) => ({
    ...toValues(trail),
    project_id: trail.projectId,
    message_id: trail.messageId,
    status: trail.status,
  }));
  return queryImport(ctx.db, values, ctx.principal.userId);
}
