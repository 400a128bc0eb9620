import { pastSubjects } from "../../db/queries/alerts.ts";
import type { WorkerContext } from "../context.ts";
import type { Alerting } from "./channels.ts";
import { resolveAlert } from "./raise.ts";

const REFUSALS_PAST_S = 60 * 60;
const RESTORES_PAST_S = 7 * 24 * 60 * 60;
const ALERTS_MAX = 100;

/**
 * Closes alerts that nothing else closes: refusals that stopped an hour ago, channels that are no longer used, and restores
 * that ended a week ago and were left as they are.
 */
export async function resolvePastAlerts(
  ctx: WorkerContext & { alerting: Alerting },
): Promise<{ resolved: number }> {
  const known = ctx.alerting.channels.map((one) => one.id);
  const stopped = await pastSubjects(ctx.db, "access.refused", { seconds: REFUSALS_PAST_S }, ALERTS_MAX);
  for (const subject of stopped) await resolveAlert(ctx, "access.refused", subject);
  const unused = await pastSubjects(ctx.db, "channel.disabled", { known }, ALERTS_MAX);
  for (const subject of unused) await resolveAlert(ctx, "channel.disabled", subject);
  let left = 0;
  for (const code of ["restore.failed", "restore.needs-attention"] as const) {
    const subjects = await pastSubjects(ctx.db, code, { seconds: RESTORES_PAST_S }, ALERTS_MAX);
    for (const subject of subjects) await resolveAlert(ctx, code, subject);
    left += subjects.length;
  }
  return { resolved: stopped.length + unused.length + left };
}
