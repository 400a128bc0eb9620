import type { z } from "zod";
import { isAnyKeyFrom, keysOfUsers } from "../../db/queries/keys.ts";
import {
  findPurge,
  lockPurge,
  notePurgeDecision,
  retentionSetters,
  type PurgeRow,
} from "../../db/queries/purges.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { inTransaction, requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { requireOwnFiles } from "../quiet.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";
import { WAITING } from "./propose.ts";
import { toPurge, type Purge, type purgeDecision } from "./purge.ts";

/**
 * Approves or rejects a purge that waits for it; an approved one is carried out by its workflow. Throws `forbidden` to approve
 * for who asked for the proposal or was the last to set the retention of a workspace in it, and for keys that these people could
 * have; `conflict` (409) when it does not wait any more, or is approved where the files may be another's.
 */
export async function decidePurge(
  ctx: Context,
  id: string,
  decision: "approved" | "rejected",
  { note }: z.output<typeof purgeDecision>,
): Promise<Purge> {
  requireOperator(ctx, "purges:approve");
  if (!(await findPurge(ctx.db, id))) throw notFound("purge");
  return inTransaction(ctx, async (inner) => {
    const waiting = (await lockPurge(inner.db, id)) as PurgeRow;
    if (waiting.status !== "awaiting_approval") {
      throw new ServiceError(
        "conflict",
        `This purge does not wait for an approval: it is ${waiting.status}.`,
      );
    }
    if (waiting.expiresAt.getTime() <= Date.now()) {
      throw new ServiceError(
        "conflict",
        "The time to decide on this purge is over. Run POST /api/jobs/purge-cold/run for a new one.",
      );
    }
    // To reject is to do nothing, so anybody who may decide may do that.
    if (decision === "approved") {
      await requireOwnFiles(inner);
      await requireAnotherPerson(inner, waiting);
    }
    const decided = await notePurgeDecision(inner.db, id, {
      status: decision,
      decidedByUserId: ctx.principal.userId,
      decidedByKeyId: ctx.principal.keyId,
      decisionNote: note ?? null,
    });
    if (decision === "approved") {
      const data = { purgeId: id, requestId: id };
      await requestWorkflow(inner, { eventId: id, eventName: "audit/purge.approved", data });
    }
    await logServiceEvent(inner, decision === "approved" ? "APPROVE_PURGE" : "REJECT_PURGE", "purge", id, {
      newValues: { decision, note: note ?? null, summary: waiting.summary },
    });
    await resolveAlert(inner, "purge.waiting", WAITING);
    return toPurge(decided);
  });
}

/**
 * The schedule is no person: whoever approves what it proposed is the second to look at it, unless they made the files due by
 * setting a retention.
 */
async function requireAnotherPerson(ctx: Context, purge: PurgeRow): Promise<void> {
  const { requestedByUserId: asker, files } = purge;
  const { userId, keyId } = ctx.principal;
  if (userId === asker) {
    throw new ServiceError("forbidden", "You asked for this purge; another person has to approve it.");
  }
  const setters = await retentionSetters(ctx.db, files);
  if (setters.includes(userId)) {
    throw new ServiceError(
      "forbidden",
      "You were the last to set the retention of a workspace in this purge; another person has to approve it.",
    );
  }
  const involved = asker === null ? setters : [asker, ...setters];
  if (involved.length === 0) return;
  if (await isAnyKeyFrom(ctx.db, [keyId], involved)) {
    throw new ServiceError(
      "forbidden",
      "This key comes from a person who asked for the purge or set a retention that it goes by: they made it, or a key of the person who made it. Use one that an operator made at the terminal.",
    );
  }
  if (await isAnyKeyFrom(ctx.db, await keysOfUsers(ctx.db, involved), [userId])) {
    throw new ServiceError(
      "forbidden",
      "A key of a person who asked for this purge or set a retention that it goes by comes from you, so it may have been you. Another person has to approve it.",
    );
  }
}
