import type { Runtime } from "../services/runtime.ts";
import { alertOnFailure } from "./alert-on-failure.ts";
import { archiveEvents } from "./archive-events.ts";
import { createPartitions } from "./create-partitions.ts";
import { historyCleanup } from "./history-cleanup.ts";
import { notifyAlert } from "./notify-alert.ts";
import { purgeCold } from "./purge-cold.ts";
import { purgeFiles } from "./purge-files.ts";
import { repeatSideEffects } from "./repeat-side-effects.ts";
import { restoreRecords } from "./restore-records.ts";
import { retentionCleanup } from "./retention-cleanup.ts";
import { rollbackRestore } from "./rollback-restore.ts";
import { trailCleanup } from "./trail-cleanup.ts";
import { trailRollup } from "./trail-rollup.ts";
import { watchSchedules } from "./watch-schedules.ts";
import { weeklyReport } from "./weekly-report.ts";

/** Every workflow of the service. */
export const workflows = (runtime: Runtime) => [
  alertOnFailure(runtime),
  archiveEvents(runtime),
  createPartitions(runtime),
  historyCleanup(runtime),
  notifyAlert(runtime),
  purgeCold(runtime),
  purgeFiles(runtime),
  repeatSideEffects(runtime),
  restoreRecords(runtime),
  retentionCleanup(runtime),
  rollbackRestore(runtime),
  trailCleanup(runtime),
  trailRollup(runtime),
  watchSchedules(runtime),
  weeklyReport(runtime),
];
