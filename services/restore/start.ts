import { sqlNow } from "../../db/queries/rows.ts";
import {
  discardPlan,
  findRun,
  lockRun,
  lockStarts,
  overlappingRun,
  rollbackOf,
  updateRun,
  type RunRow,
} from "../../db/queries/restore-runs.ts";
import { approvalNeeded } from "../../lib/approval-rules.ts";
import type { Config } from "../../lib/config.ts";
import { requireOperator, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";
import { digestOfToday, planRestore } from "./plan.ts";
import type { PlanningContext } from "./preview.ts";
import { blockers, type Problem } from "./problems.ts";
import { toRestore, type Restore } from "./run.ts";
import { beginRollback } from "./settle-original.ts";
import {
  kindOf,
  restoreOptions,
  restoreTarget,
  type RestoreOptions,
  type StartRequest,
  type TargetKind,
} from "./target.ts";

const MS_PER_H = 3_600_000;

/**
 * Starts a plan that somebody previewed, or plans a target anew and starts that. Throws `not_found`, and `conflict` (409) when
 * the plan is not what it was, when something stands in its way, or when another restore concerns the same rows.
 */
export async function startRestore(ctx: PlanningContext, request: StartRequest): Promise<Restore> {
  requireOperator(ctx, "restores:run");
  if ("planId" in request) return startPlan(ctx, request);
  const planned = await planRestore(ctx, request);
  return orDiscard(ctx, planned, () => {
    requireNoLoss(planned.problems as Problem[]);
    return launch(ctx, planned, kindOf(request.target));
  });
}

/** Starts what was planned for that alone; a refusal leaves no plan behind. */
export async function orDiscard(
  ctx: PlanningContext,
  planned: RunRow,
  start: () => Promise<Restore>,
): Promise<Restore> {
  try {
    return await start();
  } catch (error) {
    // What cannot be removed now goes when its day is over.
    await discardPlan(ctx.worker, planned.id).catch(() => undefined);
    throw error;
  }
}

function requireNoLoss(problems: Problem[]): void {
  const losses = problems.filter(({ severity }) => severity === "loss");
  if (losses.length === 0) return;
  const detail = `Not everything would come back. Look at what is lost first: POST /api/restores/preview, then start its planId and digest.`;
  throw new ServiceError("conflict", detail, { errors: toErrors(losses) });
}

async function startPlan(ctx: PlanningContext, { planId, digest }: { planId: string; digest: string }) {
  const plan = await findRun(ctx.db, planId);
  if (!plan || plan.rollbackOf !== null) throw notFound("plan", "body.planId");
  requireStartable(plan);
  // A stored target has its times as text.
  const target = restoreTarget.parse(plan.target);
  const options = restoreOptions.parse(plan.options);
  const again = { target, options, reason: plan.reason, incident: undefined };
  const today = digest === plan.digest ? await digestOfToday(ctx, again) : null;
  if (today !== plan.digest) {
    throw new ServiceError(
      "conflict",
      "What this plan rests on has changed since it was previewed. Preview again, look at it, and start that.",
    );
  }
  return launch(ctx, plan, kindOf(target));
}

function requireStartable(plan: RunRow): void {
  if (plan.status !== "planned") {
    throw new ServiceError("conflict", `This plan was started already: GET /api/restores/${plan.id}`);
  }
  if (plan.expiresAt.getTime() <= Date.now()) {
    throw new ServiceError("conflict", "This plan has expired. Preview again, look at it, and start that.");
  }
}

/** Starts a plan within the caller's transaction, unless something is in its way. */
export async function launch(
  ctx: Context & { config: Config },
  planned: RunRow,
  kind: TargetKind,
): Promise<Restore> {
  const options = planned.options as RestoreOptions;
  requireNoBlockers(planned.problems as Problem[], options);
  if (planned.itemCount === 0) {
    throw new ServiceError("conflict", "There is nothing to restore: every row is as this target wants it.");
  }
  const needs = approvalNeeded(ctx.config, {
    target: kind,
    tables: (planned.tables as { name: string }[]).map(({ name }) => name),
    rowCount: planned.itemCount,
  });
  return ctx.db.transaction(async (tx) => {
    const inner = { ...ctx, db: tx };
    await lockStarts(tx);
    const run = await lockRun(tx, planned.id);
    if (!run) throw notFound("plan", "body.planId");
    requireStartable(run);
    if (run.rollbackOf !== null) await requireNotRolledBack(inner, run.rollbackOf);
    await requireNoOverlap(inner, run.id);
    const expires = new Date(Date.now() + ctx.config.restores.approvalHours * MS_PER_H);
    const started = await updateRun(tx, run.id, ["planned"], {
      status: needs === null ? "running" : "awaiting_approval",
      approvalNeeded: needs,
      approvalExpiresAt: needs === null ? null : expires,
      requestedByUserId: ctx.principal.userId,
      requestedByKeyId: ctx.principal.keyId,
      startedAt: sqlNow,
    });
    if (run.rollbackOf !== null && needs === null) await beginRollback(tx, run.rollbackOf);
    await requestRun(inner, started as RunRow);
    await logServiceEvent(inner, run.rollbackOf ? "REQUEST_ROLLBACK" : "REQUEST_RESTORE", "restore", run.id, {
      newValues: { target: run.target, options, reason: run.reason, incident: run.incident },
    });
    return toRestore(started as RunRow);
  });
}

/** Asks for the workflow that carries a run out, within the caller's transaction. */
export async function requestRun(ctx: Context, run: RunRow): Promise<void> {
  // Each epoch is another request; the first has the run's own id.
  const requestId = run.epoch === 1 ? run.id : crypto.randomUUID();
  await requestWorkflow(ctx, {
    eventId: requestId,
    eventName: run.rollbackOf === null ? "audit/restore.requested" : "audit/restore.rollback-requested",
    data: { restoreId: run.id, epoch: run.epoch, requestId },
  });
}

/** Throws `conflict` (409) naming another restore under way that concerns some of the same rows. */
export async function requireNoOverlap(ctx: Pick<Context, "db">, id: string): Promise<void> {
  const other = await overlappingRun(ctx.db, id);
  if (other === null) return;
  throw new ServiceError(
    "conflict",
    `Another restore concerns some of the same rows. Wait for it, or cancel it: GET /api/restores/${other}`,
    { errors: [{ path: "body", code: "overlapping_restore", message: other }] },
  );
}

/** Throws `conflict` (409) naming the rollback of a restore that is under way or done. */
export async function requireNotRolledBack(ctx: Pick<Context, "db">, id: string): Promise<void> {
  const other = await rollbackOf(ctx.db, id);
  if (other === null) return;
  const detail = `This restore is rolled back already: GET /api/restores/${other.id}`;
  throw new ServiceError("conflict", detail, {
    errors: [{ path: "path.id", code: "rolled_back", message: other.id }],
  });
}

function requireNoBlockers(problems: Problem[], options: RestoreOptions): void {
  const found = blockers(problems, options);
  const [first] = found;
  if (!first) return;
  throw new ServiceError("conflict", first.message, { errors: toErrors(found) });
}

const toErrors = (problems: Problem[]) =>
  problems.map(({ code, message }) => ({ path: "body.target", code, message }));
