import { insertServiceEvent } from "../../db/queries/events-append.ts";
import type { RunRow } from "../../db/queries/restore-runs.ts";
import { SERVICE_WORKSPACE } from "../context.ts";
import { SERVICE_EVENT_ID_PREFIX } from "../events/event.ts";
import type { RestoreContext } from "./context.ts";
import { noteStep, type RunRef } from "./note-step.ts";
import { kindOf, type RestoreTarget } from "./target.ts";

/** Writes down what is about to be done, before the first row is written; once. */
export async function logIntent(ctx: RestoreContext, ref: RunRef) {
  return noteStep(ctx, ref, "log-intent", async (run) => {
    await logRun(ctx, run, "RESTORE_BEGUN", "intent", {
      options: run.options,
      target: run.target,
      reason: run.reason,
      pre_restore_snapshot_id: run.snapshotId,
      approved_by: run.decidedByUserId,
    });
    return { state: "done" } as const;
  });
}

/** An event about a run in the name of who asked for it, stored once under `key`. */
export async function logRun(
  ctx: Pick<RestoreContext, "db">,
  run: RunRow,
  actionType: string,
  key: string,
  metadata: Record<string, unknown>,
): Promise<void> {
  await insertServiceEvent(ctx.db, {
    action_type: actionType,
    resource_type: "restore",
    resource_id: run.id,
    workspace_id: SERVICE_WORKSPACE,
    created_by_user_id: run.requestedByUserId,
    event_id: `${SERVICE_EVENT_ID_PREFIX}restore:${run.id}:${key}`,
    metadata: {
      restore_id: run.id,
      restore_type: run.rollbackOf === null ? kindOf(run.target as RestoreTarget) : "rollback",
      incident: run.incident,
      ...metadata,
    },
  });
}
