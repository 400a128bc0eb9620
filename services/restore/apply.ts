import { applyChunk, type ChunkOutcome } from "../../db/queries/restore-apply.ts";
import { postgresError } from "../postgres-errors.ts";
import type { RestoreContext } from "./context.ts";
import { noteStep, type RunRef } from "./note-step.ts";

/** What the application's own constraints and triggers refuse is refused the next time, too (SQLSTATE classes). */
const REFUSALS = /^(0[9A]|2[1237]|3[89]|42|44|AF|P0)/;

export type Applied =
  | ChunkOutcome
  | { state: "refused"; sqlstate: string; table: string | null; constraint: string | null };

/**
 * Applies a chunk in one transaction, which also marks it: repeating it changes nothing. What the database refuses for good
 * is an outcome; what may work the next time (locks, lost connections) is thrown.
 */
export async function applyRestoreChunk(ctx: RestoreContext, ref: RunRef, chunk: number) {
  return noteStep(ctx, ref, `apply-${chunk}`, async (): Promise<Applied> => {
    try {
      return await applyChunk(ctx.db, { runId: ref.restoreId, chunk, epoch: ref.epoch });
    } catch (error) {
      const cause = postgresError(error);
      if (cause === null || !REFUSALS.test(cause.code)) throw error;
      return {
        state: "refused",
        sqlstate: cause.code,
        table: cause.table ?? null,
        constraint: cause.constraint ?? null,
      };
    }
  });
}
