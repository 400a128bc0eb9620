import { z } from "zod";
import type { RunRow } from "../../db/queries/restore-runs.ts";
import type { StepRow } from "../../db/queries/restore-steps.ts";
import { problem, type Problem } from "./problems.ts";

export const runStatus = z.enum([
  "planned",
  "awaiting_approval",
  "running",
  "completed",
  "needs_attention",
  "failed",
  "cancelled",
  "rejected",
  "expired",
  "rolling_back",
  "rolled_back",
]);

/** How a run that was begun ends by itself; it can be rolled back then. */
export const ENDED = ["completed", "needs_attention", "failed", "cancelled"] as const;
export const isEnded = (status: string): status is (typeof ENDED)[number] =>
  (ENDED as readonly string[]).includes(status);

const iso = z.string().nullable();

/** A restore as the API shows it. */
export const restore = z
  .object({
    id: z.string().describe("Of a preview, the planId that starts it."),
    status: runStatus,
    digest: z.string().describe("What the plan rests on; starting it asks for it."),
    rollbackOf: z.string().nullable(),
    target: z.unknown(),
    options: z.unknown(),
    reason: z.string(),
    incident: z.string().nullable(),
    itemCount: z.number().int(),
    chunkCount: z.number().int().describe("Transactions; one up to 5,000 rows."),
    tables: z.array(
      z.object({
        name: z.string(),
        insert: z.number().int(),
        update: z.number().int(),
        delete: z.number().int(),
      }),
    ),
    problems: z.array(problem),
    requestedByUserId: z.string(),
    createdAt: z.string(),
    expiresAt: z.string().describe("When a plan can no longer be started."),
    startedAt: iso,
    endedAt: iso,
    approval: z
      .object({
        why: z.string(),
        expiresAt: z.string(),
        decision: z.enum(["approved", "rejected"]).nullable(),
        decidedByUserId: z.string().nullable(),
        decidedAt: iso,
        note: z.string().nullable(),
      })
      .nullable(),
    cancelRequestedAt: iso,
    heartbeatAt: iso,
    snapshotId: z.string().nullable(),
    error: z.string().nullable(),
    report: z.unknown().describe("What was done and verified, once it ended."),
  })
  .meta({ id: "Restore" });
export type Restore = z.infer<typeof restore>;

export const restoreStep = z
  .object({
    step: z.string(),
    attempt: z.number().int(),
    startedAt: z.string(),
    endedAt: iso,
    outcome: z.enum(["done", "failed"]).nullable(),
    detail: z.unknown(),
  })
  .meta({ id: "RestoreStep" });

const time = (value: Date | null) => value?.toISOString() ?? null;

export function toRestore(row: RunRow): Restore {
  const tables = row.tables as Restore["tables"];
  return {
    id: row.id,
    status: row.status,
    digest: row.digest,
    rollbackOf: row.rollbackOf,
    target: row.target,
    options: row.options,
    reason: row.reason,
    incident: row.incident,
    itemCount: row.itemCount,
    chunkCount: row.chunkStarts.length,
    tables: tables.map(({ name, insert, update, delete: gone }) => ({ name, insert, update, delete: gone })),
    problems: row.problems as Problem[],
    requestedByUserId: row.requestedByUserId,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    startedAt: time(row.startedAt),
    endedAt: time(row.endedAt),
    approval:
      row.approvalNeeded === null
        ? null
        : {
            why: row.approvalNeeded,
            expiresAt: (row.approvalExpiresAt as Date).toISOString(),
            decision: row.decision,
            decidedByUserId: row.decidedByUserId,
            decidedAt: time(row.decidedAt),
            note: row.decisionNote,
          },
    cancelRequestedAt: time(row.cancelRequestedAt),
    heartbeatAt: time(row.heartbeatAt),
    snapshotId: row.snapshotId,
    error: row.error,
    report: row.report,
  };
}

export const toStep = (row: StepRow) => ({
  step: row.step,
  attempt: row.attempt,
  startedAt: row.startedAt.toISOString(),
  endedAt: time(row.endedAt),
  outcome: row.outcome,
  detail: row.detail,
});

const BEFORE_APPLY = ["plan", "await-approval", "snapshot", "log-intent"];
const AFTER_APPLY = ["flush-caches", "reenqueue-jobs", "verify", "complete"];

const HAS_DONE_ALL: ReadonlySet<string> = new Set([
  "completed",
  "needs_attention",
  "rolling_back",
  "rolled_back",
]);

/** Whether its last step was done, which alone reports a verification. */
export const cameToItsEnd = ({ report }: RunRow): boolean =>
  report !== null && "verification" in (report as object);

/** How far a run is, in percent: a share for each step, the chunks being steps of their own. */
export function progressOf(row: RunRow, done: ReadonlySet<string>): number {
  if (row.status === "planned" || row.status === "awaiting_approval") return 0;
  if (HAS_DONE_ALL.has(row.status)) return 100;
  const steps = [
    ...BEFORE_APPLY.filter((step) => step !== "await-approval" || row.approvalNeeded !== null),
    ...row.chunkStarts.map((_, i) => `apply-${i + 1}`),
    ...AFTER_APPLY,
  ];
  // The last step has ended the run a moment before it is noted itself.
  const hasEnded = row.endedAt !== null && cameToItsEnd(row);
  const isDone = (step: string) => done.has(step) || (step === "complete" && hasEnded);
  return Math.floor((100 * steps.filter(isDone).length) / steps.length);
}
