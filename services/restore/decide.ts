import type { z } from "zod";
import { isKeyFrom } from "../../db/queries/keys.ts";
import { findRun, lockRun, updateRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { beginRollback } from "./settle-original.ts";
import { toRestore, type Restore } from "./run.ts";
import type { decisionRequest } from "./target.ts";

/**
 * Approves or rejects a restore that waits for it. Throws `forbidden` to approve for the person who asked for it and for keys
 * that this person could have, because they were minted by this person, or by whom this person minted a key for; `conflict`
 * (409) when it does not wait any more.
 */
export async function decideRestore(
  ctx: Context,
  id: string,
  decision: "approved" | "rejected",
  { note }: z.output<typeof decisionRequest>,
): Promise<Restore> {
  requireOperator(ctx, "restores:approve");
  if (!(await findRun(ctx.db, id))) throw notFound("restore");
  const decided = await ctx.db.transaction(async (tx) => {
    const inner = { ...ctx, db: tx };
    const run = (await lockRun(tx, id)) as RunRow;
    if (run.status !== "awaiting_approval" || run.decision !== null) {
      throw new ServiceError("conflict", `This restore does not wait for an approval: it is ${run.status}.`);
    }
    if ((run.approvalExpiresAt as Date).getTime() <= Date.now()) {
      throw new ServiceError("conflict", "The time to approve this restore is over. Start it again.");
    }
    // To reject is to do nothing, so anybody who may decide may do that.
    if (decision === "approved") await requireAnotherPerson(inner, run);
    const row = await updateRun(tx, id, ["awaiting_approval"], {
      decision,
      decidedByUserId: ctx.principal.userId,
      decidedAt: sqlNow,
      decisionNote: note ?? null,
      ...(decision === "rejected"
        ? { status: "rejected", endedAt: sqlNow }
        : { status: "running", heartbeatAt: sqlNow }),
    });
    if (decision === "approved" && run.rollbackOf !== null) await beginRollback(tx, run.rollbackOf);
    await logServiceEvent(
      inner,
      decision === "approved" ? "APPROVE_RESTORE" : "REJECT_RESTORE",
      "restore",
      id,
      {
        newValues: { decision, note: note ?? null, requestedByUserId: run.requestedByUserId },
      },
    );
    return row as RunRow;
  });
  // The workflow looks by itself as well, only later.
  ctx.afterCommit(() =>
    ctx.send([{ id: `${id}:decided`, name: "audit/approval.decided", data: { subjectId: id } }]),
  );
  return toRestore(decided);
}

async function requireAnotherPerson(ctx: Context, run: RunRow): Promise<void> {
  const { userId, keyId } = ctx.principal;
  const asker = run.requestedByUserId;
  if (userId === asker) {
    throw new ServiceError("forbidden", "You asked for this restore; another person has to approve it.");
  }
  if (await isKeyFrom(ctx.db, keyId, asker)) {
    throw new ServiceError(
      "forbidden",
      "This key comes from the person who asked for the restore: they made it, or a key of the person who made it. Use one that an operator made at the terminal.",
    );
  }
  // Who made the key that asked may have asked with it.
  if (await isKeyFrom(ctx.db, run.requestedByKeyId, userId)) {
    throw new ServiceError(
      "forbidden",
      "The key that asked for this restore comes from you, so it may have been you who asked. Another person has to approve it.",
    );
  }
}
