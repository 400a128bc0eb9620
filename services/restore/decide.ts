import type { z } from "zod";
import { findKey } from "../../db/queries/keys.ts";
import { findRun, lockRun, updateRun, type RunRow } from "../../db/queries/restore-runs.ts";
import { sqlNow } from "../../db/queries/rows.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { beginRollback } from "./start.ts";
import { toRestore, type Restore } from "./run.ts";
import type { decisionRequest } from "./target.ts";

/** How far a key is followed back through its rotations. */
const ROTATIONS_MAX = 100;

/**
 * Approves or rejects a restore that waits for it. Throws `forbidden` for the person who asked for it and for keys that this
 * person minted, `conflict` (409) when it does not wait any more.
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
    if (decision === "approved" && run.rollbackOf !== null) await beginRollback(inner, run.rollbackOf);
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
  const { userId } = ctx.principal;
  const asker = run.requestedByUserId;
  if (userId === asker) {
    throw new ServiceError("forbidden", "You asked for this restore; another person has to approve it.");
  }
  let keyId: string | null = ctx.principal.keyId;
  for (let n = 0; keyId !== null && n < ROTATIONS_MAX; n++) {
    const key = await findKey(ctx.db, keyId);
    if (key?.createdByUserId === asker) {
      throw new ServiceError(
        "forbidden",
        "This key was made by the person who asked for the restore. Use one that somebody else made.",
      );
    }
    keyId = key?.rotatedFrom ?? null;
  }
}
