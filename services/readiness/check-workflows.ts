import type { Db } from "../../db/client.ts";
import { lateSchedules } from "../../db/queries/jobs.ts";
import { waitingCount } from "../../db/queries/readiness.ts";
import { minutesWithoutSuccess } from "../jobs/job.ts";
import { ok, type Verdict } from "./verdict.ts";

const WAITING_SECONDS = 5 * 60;

export async function checkSchedules(db: Db, quiet: boolean): Promise<Verdict> {
  if (quiet) return ok("none runs in a quiet deployment");
  const late = await lateSchedules(db);
  if (late.length === 0) return ok("every schedule succeeded in time, or has not had to yet");
  return {
    status: "warn",
    detail: late
      .map((one) => `${one.jobId}: no success for ${minutesWithoutSuccess(one)} minutes`)
      .join(", "),
    action: "Check that the workflow engine reaches the service, then POST /api/jobs/<id>/run.",
  };
}

export async function checkWaiting(db: Db): Promise<Verdict> {
  const count = await waitingCount(db, WAITING_SECONDS);
  if (count === 0) return ok("none waits");
  return {
    status: "warn",
    detail: `${count} have waited for over ${WAITING_SECONDS / 60} minutes.`,
    action: "The workflow engine is away or does not know this service: check INNGEST_* and register again.",
  };
}
