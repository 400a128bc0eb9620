import type { z } from "zod";
import { isKeyFrom, keysOfUser } from "../../db/queries/keys.ts";
import { findPurge, lockPurge, notePurgeDecision, type PurgeRow } from "../../db/queries/purges.ts";
import { resolveAlert } from "../alerts/raise.ts";
import { inTransaction, requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";
import { WAITING } from "./propose.ts";
import { toPurge, type Purge, type purgeDecision } from "./purge.ts";

/**
 * Approves or rejects a purge that waits for it; an approved one is carried out by its workflow. Throws `forbidden` to approve
 * for the person who asked for the proposal and for keys that this person could have; `conflict` (409) when it does not wait
 * any more.
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
    if (decision === "approved") await requireAnotherPerson(inner, waiting);
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

async function requireAnotherPerson(ctx: Context, { requestedByUserId: asker }: PurgeRow): Promise<void> {
  // The schedule is no person: whoever approves what it proposed is the second to look at it.
  if (asker === null) return;
  const { userId, keyId } = ctx.principal;
  if (userId === asker) {
    throw new ServiceError("forbidden", "You asked for this purge; another person has to approve it.");
  }
  if (await isKeyFrom(ctx.db, keyId, asker)) {
    throw new ServiceError(
      "forbidden",
      "This key comes from the person who asked for the purge: they made it, or a key of the person who made it. Use one that an operator made at the terminal.",
    );
  }
  for (const askersKey of await keysOfUser(ctx.db, asker)) {
    if (await isKeyFrom(ctx.db, askersKey, userId)) {
      throw new ServiceError(
        "forbidden",
        "A key of the person who asked for this purge comes from you, so it may have been you who asked. Another person has to approve it.",
      );
    }
  }
}
