import {
  freeDueFiles,
  holdsOnFile,
  insertPurge,
  unfinishedPurges,
  unsureDueFiles,
  type DueFile,
} from "../../db/queries/purges.ts";
import { raiseAlert } from "../alerts/raise.ts";
import type { ColdContext } from "../cold/context.ts";
import { ColdFileError } from "../cold/open-file.ts";
import { inTransaction } from "../context.ts";
import { requestWorkflow } from "../requests/request-workflow.ts";
import { heldBy } from "./held.ts";
import type { PurgeSummary } from "./purge.ts";

const FILES_MAX = 200;
/** More than can be read in the time. */
const UNSURE_MAX = 2_000;
const APPROVAL_DAYS = 30;
/** How long files are read for holds, so that the step stays well within its time; the rest comes with a later proposal. */
const READING_MS_MAX = 15_000;
const MS_PER_DAY = 86_400_000;
const UNFINISHED_AFTER_S = 3_600;

/** A purge waits under this subject; there is one at a time. */
export const WAITING = "cold files";

/**
 * Proposes the removal of the cold files that are past their retention and that no hold concerns, 200 at most. Removes nothing:
 * somebody has to approve it within 30 days. Does nothing while another proposal waits. `requestedByUserId` is who asked for
 * the proposal, or null for the schedule.
 */
export async function proposePurge(
  ctx: ColdContext,
  requestedByUserId: string | null,
): Promise<{ purgeId: string | null; files: number }> {
  if (ctx.archive === null) return { purgeId: null, files: 0 };
  await continueUnfinished(ctx);
  const free = await freeFiles(ctx);
  if (free.length === 0) return { purgeId: null, files: 0 };
  const summary = summaryOf(free);
  return inTransaction(ctx, async (inner) => {
    const purge = await insertPurge(inner.db, {
      files: free.map(({ id }) => id),
      summary,
      expiresAt: new Date(Date.now() + APPROVAL_DAYS * MS_PER_DAY),
      requestedByUserId,
    });
    if (purge === null) return { purgeId: null, files: 0 };
    await raiseAlert(inner, {
      code: "purge.waiting",
      subject: WAITING,
      severity: "warning",
      message: `${summary.events} events of ${summary.firstMonth} to ${summary.lastMonth} are past their retention. Look at GET /api/purges, then POST /api/purges/${purge.id}/approve or /reject within ${APPROVAL_DAYS} days; without a decision they stay.`,
      details: { purgeId: purge.id, ...summary },
    });
    return { purgeId: purge.id, files: free.length };
  });
}

/** Due files that no hold concerns. Those that have to be read to know come last, and only as long as there is time. */
async function freeFiles(ctx: ColdContext): Promise<DueFile[]> {
  const free = await freeDueFiles(ctx.db, FILES_MAX);
  if (free.length === FILES_MAX) return free;
  const deadline = Date.now() + READING_MS_MAX;
  for (const file of await unsureDueFiles(ctx.db, UNSURE_MAX)) {
    if (free.length === FILES_MAX || Date.now() > deadline) break;
    try {
      if (!(await heldBy(ctx, file.id, await holdsOnFile(ctx.db, file.id)))) free.push(file);
    } catch (error) {
      // Nobody can say whether a hold concerns it, so it stays. A storage that is away is asked again by the engine.
      if (!(error instanceof ColdFileError) || error.fault === "away") throw error;
    }
  }
  return free;
}

function summaryOf(files: DueFile[]): PurgeSummary {
  const sum = (of: (file: DueFile) => number) => files.reduce((total, file) => total + of(file), 0);
  const months = files.map(({ month }) => month.slice(0, 7)).toSorted();
  return {
    files: files.length,
    events: sum(({ rowCount }) => rowCount),
    bytes: sum(({ bytes }) => bytes),
    firstMonth: months[0] as string,
    lastMonth: months.at(-1) as string,
    complianceWorkspaces: [...new Set(files.flatMap((file) => file.complianceWorkspaces))].toSorted(),
  };
}

/** An approved purge whose workflow gave up goes on where it stopped, instead of standing in the way of the next proposal. */
async function continueUnfinished(ctx: ColdContext): Promise<void> {
  for (const { id: purgeId } of await unfinishedPurges(ctx.db, UNFINISHED_AFTER_S)) {
    const requestId = crypto.randomUUID();
    await inTransaction(ctx, (inner) =>
      requestWorkflow(inner, {
        eventId: requestId,
        eventName: "audit/purge.approved",
        data: { purgeId, requestId },
      }),
    );
  }
}
