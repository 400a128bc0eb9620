import { StorageError } from "../../lib/storage/storage.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { Context, WorkerContext } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { ColdFileError, type FileFault } from "./open-file.ts";

type Raiser = Pick<WorkerContext, "db" | "log" | "quiet" | "send">;

/** One alert for the storage as a whole, one for each file that is not what it was. */
const AWAY = "storage";

const WHAT_TO_DO: Record<FileFault, string> = {
  away: "Look at ARCHIVE_URL and its credentials, and at the storage itself.",
  missing:
    "Bring the object back from a copy or a version of the bucket; searches that need it fail until then.",
  damaged:
    "Bring the object back from a copy or a version of the bucket; searches that need it fail until then.",
  "unknown key": "Add the key that the file was encrypted with to ARCHIVE_KEYS.",
  "unknown version": "Deploy the version of the service that wrote it, or a later one.",
};

/** Raises the alert for a file that could not be read. */
export async function alertFileFault(ctx: Raiser, error: ColdFileError): Promise<void> {
  const { key, fault } = error;
  const told = { message: `${error.message}. ${WHAT_TO_DO[fault]}`, details: { object: key, fault } };
  if (fault === "away") {
    return raiseAlert(ctx, { code: "archive.away", subject: AWAY, severity: "warning", ...told });
  }
  return raiseAlert(ctx, { code: "archive.damaged", subject: key, severity: "critical", ...told });
}

/** The storage answers again. */
export const resolveAway = (ctx: Raiser) => resolveAlert(ctx, "archive.away", AWAY);

/** Works on the storage; where it fails, an alert tells that it is away. */
export async function tellingAway<T>(ctx: Raiser, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StorageError) await alertFileFault(ctx, new ColdFileError("away", error.key));
    throw error;
  }
}

const RETRY_AFTER_S = 30;

/** Runs a search of cold files; a file that cannot be read is told to the caller by name, and alerted. */
export async function tellingFaults<T>(ctx: Context, search: () => Promise<T>): Promise<T> {
  try {
    return await search();
  } catch (error) {
    if (!(error instanceof ColdFileError)) throw error;
    await alertFileFault(ctx, error);
    const errors = [{ path: error.key, code: error.fault.replace(" ", "_"), message: error.message }];
    if (error.fault === "away") {
      throw new ServiceError("unavailable", `${error.message}. Send the same request again later.`, {
        errors,
        retryAfterSeconds: RETRY_AFTER_S,
      });
    }
    throw new ServiceError(
      "archive_damaged",
      `${error.message}. Nothing was left out in silence: the whole request failed. Leave the file's month out by from and to, or tell an operator.`,
      { errors },
    );
  }
}
