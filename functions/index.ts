import type { Runtime } from "../services/runtime.ts";
import { alertOnFailure } from "./alert-on-failure.ts";
import { createPartitions } from "./create-partitions.ts";
import { notifyAlert } from "./notify-alert.ts";
import { trailCleanup } from "./trail-cleanup.ts";
import { trailRollup } from "./trail-rollup.ts";
import { watchSchedules } from "./watch-schedules.ts";

/** Every workflow of the service. */
export const workflows = (runtime: Runtime) => [
  alertOnFailure(runtime),
  createPartitions(runtime),
  notifyAlert(runtime),
  trailCleanup(runtime),
  trailRollup(runtime),
  watchSchedules(runtime),
];
