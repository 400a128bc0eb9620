import { applyChunk, type ChunkOutcome } from "../../db/queries/restore-apply.ts";
import { UNIQUE_VIOLATION } from "../../lib/sqlstate.ts";
import { postgresError } from "../postgres-errors.ts";
import type { RestoreContext } from "./context.ts";
import { noteStep, type RunRef } from "./note-step.ts";

/** SQLSTATE classes of what may work the next time: connections, locks, resources. All else is refused for good. */
const TRANSIENT = /^(08|25|40|53|55|57|58|XX)/;
const TAKEN_AWAY = "AF002";

export type Applied =
  | ChunkOutcome
  | { state: "refused"; sqlstate: string; table: string | null; constraint: string | null };

/**
 * Applies a chunk in one transaction, which also marks it: repeating it changes nothing. What the database refuses for good
 * is an outcome; what may work the next time (locks, lost connections) is thrown.
 */
export async function applyRestoreChunk(ctx: RestoreContext, ref: RunRef, chunk: number) {
  return noteStep(ctx, ref, `apply-${chunk}`, async (): Promise<Applied> => {
    const apply = () => tryChunk(ctx, ref, chunk);
    const outcome = await apply();
    // A row that somebody inserted meanwhile could not be seen before that was committed; now it is found, and named.
    return outcome.state === "refused" && outcome.sqlstate === UNIQUE_VIOLATION ? apply() : outcome;
  });
}

async function tryChunk(ctx: RestoreContext, { restoreId, epoch }: RunRef, chunk: number): Promise<Applied> {
  try {
    return await applyChunk(ctx.db, { runId: restoreId, chunk, epoch });
  } catch (error) {
    const cause = postgresError(error);
    if (cause === null || TRANSIENT.test(cause.code)) throw error;
    if (cause.code === TAKEN_AWAY) return { state: "superseded" };
    return {
      state: "refused",
      sqlstate: cause.code,
      table: cause.table ?? null,
      constraint: cause.constraint ?? null,
    };
  }
}
