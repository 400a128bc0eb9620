import { eventType } from "inngest";
import { z } from "zod";
import type { ScheduleId } from "./schedules.ts";

/** The engine itself can invoke a function, from its dashboard say, and then names no run of ours. */
const schema = z.object({ runId: z.string().optional() });

/** The events that start a scheduled workflow out of turn; `runId` is the job run's id and the event's own. */
export const requestEvents = {
  "trail-rollup": eventType("audit/trail-rollup.requested", { schema }),
  "trail-cleanup": eventType("audit/trail-cleanup.requested", { schema }),
  "archive-events": eventType("audit/archive-events.requested", { schema }),
  "retention-cleanup": eventType("audit/retention-cleanup.requested", { schema }),
  "history-cleanup": eventType("audit/history-cleanup.requested", { schema }),
  "weekly-report": eventType("audit/weekly-report.requested", { schema }),
  "create-partitions": eventType("audit/create-partitions.requested", { schema }),
  "purge-cold": eventType("audit/purge-cold.requested", { schema }),
  "watch-schedules": eventType("audit/watch-schedules.requested", { schema }),
} satisfies Record<ScheduleId, unknown>;

/** Asks for a message about an alert on every channel; `requestId` is the event's own id. */
export const alertNotify = eventType("audit/alert.notify", {
  schema: z.object({
    requestId: z.uuid(),
    alertId: z.uuid(),
    kind: z.enum(["raised", "reminded", "resolved"]),
  }),
});

const restoreData = z.object({ restoreId: z.uuid(), epoch: z.int().min(1), requestId: z.uuid() });

/** Asks for a restore to be carried out, or a rollback; `epoch` grows when it is resumed, `requestId` is the event's own id. */
export const restoreRequested = eventType("audit/restore.requested", { schema: restoreData });
export const rollbackRequested = eventType("audit/restore.rollback-requested", { schema: restoreData });

/** Asks for the side effects of a restore once more. */
export const sideEffectsRequested = eventType("audit/restore.side-effects-requested", {
  schema: z.object({ restoreId: z.uuid(), repeat: z.int().min(1), requestId: z.uuid() }),
});

/** Asks for an approved purge to be carried out; `requestId` is the event's own id. */
export const purgeApproved = eventType("audit/purge.approved", {
  schema: z.object({ purgeId: z.uuid(), requestId: z.uuid() }),
});

/** Somebody approved or rejected what `subjectId` names; the decision itself is in the database. */
export const approvalDecided = eventType("audit/approval.decided", {
  schema: z.object({ subjectId: z.uuid() }),
});

/** The engine's own event when a run has used up its retries. */
export const functionFailed = eventType("inngest/function.failed", {
  schema: z.object({
    function_id: z.string(),
    run_id: z.string(),
    error: z.object({ message: z.string().optional() }).loose().optional(),
    // The event that started the failed run.
    event: z
      .object({
        data: z
          .object({
            runId: z.string().optional(),
            restoreId: z.string().optional(),
            epoch: z.number().optional(),
            requestId: z.string().optional(),
          })
          .loose()
          .nullish(),
      })
      .loose()
      .optional(),
  }),
});
