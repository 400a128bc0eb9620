import { coldFile } from "../../db/queries/cold-files.ts";
import {
  beginFilePurge,
  endPurge,
  findPurge,
  holdsOnFile,
  noteFileRemoved,
  type FilePurge,
} from "../../db/queries/purges.ts";
import { insertServiceEvent } from "../../db/queries/events-append.ts";
import { notePickedUp } from "../../db/queries/requests.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { ColdContext } from "../cold/context.ts";
import { resolveAway, tellingAway } from "../cold/faults.ts";
import { ColdFileError, type Archive } from "../cold/open-file.ts";
import { inTransaction, SERVICE_WORKSPACE } from "../context.ts";
import { requireOwnFiles } from "../quiet.ts";
import { ServiceError } from "../errors.ts";
import { SERVICE_EVENT_ID_PREFIX } from "../events/event.ts";
import { heldBy } from "./held.ts";
import type { PurgeReport } from "./purge.ts";

interface PurgeRef {
  purgeId: string;
  requestId: string;
}

const INCOMPLETE = "cold files";

/** The files of an approved purge; none when it is not approved, or done. */
export async function pickUpPurge(ctx: ColdContext, ref: PurgeRef): Promise<{ files: string[] }> {
  await notePickedUp(ctx.db, ref.requestId);
  const purge = await findPurge(ctx.db, ref.purgeId);
  return { files: purge?.status === "approved" ? purge.files : [] };
}

/**
 * Removes one file for good, unless a hold concerns it by now or it is no longer due. First it is marked and logged, in one
 * transaction, so that no reader looks for it; then its object goes. Repeating it goes on where it stopped.
 */
export async function purgeFile(ctx: ColdContext, { purgeId }: PurgeRef, fileId: string): Promise<FilePurge> {
  if (ctx.archive === null)
    throw new ServiceError("unavailable", "ARCHIVE_URL is not set, so nothing can be purged.");
  await requireOwnFiles(ctx);
  const archive: Archive = ctx.archive;
  return tellingAway(ctx, async () => {
    const end = await markPurged(ctx, purgeId, fileId);
    if (end !== "purged") return end;
    const file = await coldFile(ctx.db, fileId);
    if (file) await archive.storage.delete(file.key);
    await noteFileRemoved(ctx.db, fileId);
    await resolveAway(ctx);
    return "purged";
  });
}

/** Holds that could concern the file are looked for in it; one that is placed meanwhile keeps it. */
async function markPurged(ctx: ColdContext, purgeId: string, fileId: string): Promise<FilePurge> {
  const atOnce = await beginFilePurge(ctx.db, purgeId, fileId, []);
  if (atOnce !== "held") return atOnce;
  const holds = await holdsOnFile(ctx.db, fileId);
  if (await mayBeHeld(ctx, fileId, holds)) return "held";
  return beginFilePurge(ctx.db, purgeId, fileId, holds);
}

/** Whether a hold concerns a file, or nobody can say, because it is not what it was. */
async function mayBeHeld(ctx: ColdContext, fileId: string, holds: string[]): Promise<boolean> {
  try {
    return await heldBy(ctx, fileId, holds);
  } catch (error) {
    if (!(error instanceof ColdFileError) || error.fault === "away") throw error;
    return true;
  }
}

/** Notes what became of the files; those that were kept are told, and come up again in a later proposal. */
export async function completePurge(
  ctx: ColdContext,
  { purgeId }: PurgeRef,
  report: PurgeReport,
): Promise<PurgeReport> {
  const isComplete = report.held === 0 && report.notDue === 0;
  await inTransaction(ctx, async (inner) => {
    const status = isComplete ? "completed" : "needs_attention";
    const ended = await endPurge(inner.db, purgeId, ["approved"], { status, report });
    if (!ended) return;
    await insertServiceEvent(inner.db, {
      action_type: isComplete ? "PURGE_COMPLETED" : "PURGE_INCOMPLETE",
      resource_type: "purge",
      resource_id: purgeId,
      workspace_id: SERVICE_WORKSPACE,
      created_by_user_id: ended.decidedByUserId,
      event_id: `${SERVICE_EVENT_ID_PREFIX}purge:${purgeId}`,
      new_values: { ...report, summary: ended.summary },
      metadata: { requestedByUserId: ended.requestedByUserId },
    });
    if (isComplete) await resolveAlert(inner, "purge.incomplete", INCOMPLETE);
    else {
      await raiseAlert(inner, {
        code: "purge.incomplete",
        subject: INCOMPLETE,
        severity: "warning",
        message: `${report.held} files of an approved purge are held, or could not be read to see whether they are, and ${report.notDue} are no longer due; they stay. Look at GET /api/purges and GET /api/holds.`,
        details: { purgeId, ...report },
      });
    }
  });
  return report;
}
