import { createHash } from "node:crypto";
import type { Db } from "../../db/client.ts";
import { keepHistory } from "../../db/queries/history-floor.ts";
import { draftOf, draftProblems, plannedShape, shapesOf } from "../../db/queries/restore-draft.ts";
import { insertRun, type RunRow } from "../../db/queries/restore-runs.ts";
import type { Config } from "../../lib/config.ts";
import type { Principal } from "../context.ts";
import { draftRollback, draftTarget } from "./draft.ts";
import { CHUNK_ROWS, LIMITS, type Limits } from "./limits.ts";
import { describeProblem, type Problem } from "./problems.ts";
import type { PlanRequest, RestoreTarget } from "./target.ts";

const PLAN_HOURS = 24;
const MS_PER_H = 3_600_000;

export interface Planning {
  /** As the worker, which may read the application's tables. */
  worker: Db;
  config: Config;
  principal: Pick<Principal, "userId" | "keyId">;
  /** Rows of one transaction. */
  chunkRows?: number;
  limits?: Limits;
}

interface RollbackPlan {
  rollbackOf: string;
  target: { restoreId: string };
}

export type PlanInput = Pick<PlanRequest, "options" | "reason" | "incident"> &
  ({ target: RestoreTarget } | RollbackPlan);

/** Plans a restore and stores it with its items; nothing else is touched. Throws what `draftTarget` throws. */
export async function planRestore(ctx: Planning, input: PlanInput): Promise<RunRow> {
  return ctx.worker.transaction((tx) => planWithin({ ...ctx, worker: tx }, input), {
    isolationLevel: "repeatable read",
  });
}

/** Plans the same again and keeps nothing: whether the digest is still the one that somebody saw. */
export async function digestOfToday(ctx: Planning, input: PlanInput): Promise<string> {
  let digest = "";
  const keepNothing = new Error("planned only to compare");
  await ctx.worker
    .transaction(
      async (tx) => {
        ({ digest } = await planWithin({ ...ctx, worker: tx }, input));
        throw keepNothing;
      },
      { isolationLevel: "repeatable read" },
    )
    .catch((error: unknown) => {
      if (error !== keepNothing) throw error;
    });
  return digest;
}

async function planWithin(ctx: Planning, input: PlanInput): Promise<RunRow> {
  const { worker: tx, config, principal, chunkRows = CHUNK_ROWS, limits = LIMITS } = ctx;
  const { options, reason, incident } = input;
  // A snapshot from before a month was dropped has the old floor, and no longer the month.
  await keepHistory(tx);
  const draft = draftOf(tx);
  await draft.begin();
  const stay =
    "rollbackOf" in input
      ? await draftRollback(draft, input.rollbackOf, limits)
      : await draftTarget(tx, draft, input, limits);
  await draft.order(chunkRows);
  const id = await draft.newId();
  await draft.store(id, chunkRows);
  const shape = await plannedShape(tx, id);
  const problems = (await draftProblems(tx)).map((found) =>
    describeProblem(found, { isRollback: "rollbackOf" in input }),
  );
  if (stay > 0) problems.push(staying(stay));
  const tables = shape.tables.map((table) => ({
    ...table,
    touch: "rollbackOf" in input ? [] : (config.tables[table.name]?.touch ?? []),
  }));
  const shapes = await shapesOf(
    tx,
    tables.map(({ relation }) => relation),
  );
  const rests = { items: await draft.digest(id), target: input.target, options, tables, shapes, problems };
  return insertRun(tx, {
    id,
    rollbackOf: "rollbackOf" in input ? input.rollbackOf : null,
    status: "planned",
    target: input.target,
    options,
    reason,
    incident: incident ?? null,
    digest: createHash("sha256").update(JSON.stringify(rests)).digest("hex"),
    tables,
    problems,
    itemCount: shape.itemCount,
    chunkStarts: shape.chunkStarts,
    requestedByUserId: principal.userId,
    requestedByKeyId: principal.keyId,
    expiresAt: new Date(Date.now() + PLAN_HOURS * MS_PER_H),
  });
}

const staying = (count: number): Problem => ({
  severity: "note",
  code: "rows_stay",
  table: null,
  count,
  recordIds: [],
  detail: {},
  message: `${count} rows came after the point and stay; strictDelete: true would delete them.`,
});
