import type { RunRow } from "../../db/queries/restore-runs.ts";

/** Without a heartbeat for so long nobody works on a run: a step takes less, and so do the first retries. */
export const SILENT_AFTER_S = 10 * 60;
const MS_PER_S = 1_000;

export function isSilent(run: RunRow): boolean {
  const last = run.heartbeatAt ?? run.startedAt;
  return run.status === "running" && last !== null && Date.now() - last.getTime() > SILENT_AFTER_S * MS_PER_S;
}
