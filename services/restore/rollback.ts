import { countOutcomes } from "../../db/queries/restore-items.ts";
import { findRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { requireOperator } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { planRestore } from "./plan.ts";
import type { PlanningContext } from "./preview.ts";
import type { Restore } from "./run.ts";
import { launch, orDiscard, requireNotRolledBack } from "./start.ts";
import { kindOf, restoreOptions, type RestoreTarget, type RollbackRequest } from "./target.ts";

/** How far rollbacks of rollbacks are followed. */
const ROLLBACKS_MAX = 1_000;

/**
 * Puts everything back as it was before a restore, from its snapshot; a restore of its own. Throws `not_found`, and
 * `conflict` (409) without a snapshot, while the restore runs, after a rollback, or when rows were changed since.
 */
export async function rollbackRestore(
  ctx: PlanningContext,
  id: string,
  { reason, incident, onConflict }: RollbackRequest,
): Promise<Restore> {
  requireOperator(ctx, "restores:run");
  const run = await findRun(ctx.db, id);
  if (!run || run.status === "planned") throw notFound("restore");
  await requireRollable(ctx, run);
  const { flush, reenqueue } = restoreOptions.parse(run.options);
  const planned = await planRestore(ctx, {
    rollbackOf: id,
    target: { restoreId: id },
    options: restoreOptions.parse({ onConflict, flush, reenqueue, strictDelete: true }),
    reason,
    incident: incident ?? run.incident ?? undefined,
  });
  // The same rules as for what it takes back.
  const kind = kindOf((await originOf(ctx, run)).target as RestoreTarget);
  return orDiscard(ctx, planned, () => launch(ctx, planned, kind));
}

/** What somebody asked for, of which a run is the rollback, or the rollback of a rollback. */
async function originOf(ctx: PlanningContext, run: RunRow): Promise<RunRow> {
  let origin = run;
  for (let n = 0; origin.rollbackOf !== null && n < ROLLBACKS_MAX; n++) {
    origin = (await findRun(ctx.db, origin.rollbackOf)) ?? origin;
  }
  return origin;
}

async function requireRollable(ctx: PlanningContext, run: RunRow): Promise<void> {
  const refuse = (why: string) => new ServiceError("conflict", why);
  const { applied } = await countOutcomes(ctx.db, run.id);
  if (["running", "awaiting_approval"].includes(run.status)) {
    throw refuse("This restore has not ended. Wait for it, or cancel it first.");
  }
  await requireNotRolledBack(ctx, run.id);
  if (applied === 0) throw refuse("This restore changed nothing, so there is nothing to roll back.");
  if (run.snapshotId === null) {
    throw refuse(
      "This restore was made without a snapshot (createSnapshot: false). Restore the rows as of a time before it instead.",
    );
  }
}
