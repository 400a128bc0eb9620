import { archivePlan, type DueMonth } from "../../db/queries/archive.ts";
import type { WorkerContext } from "../context.ts";

export type { DueMonth };

/** Three years of months: more waits for the next run, which stays under 300 steps so. */
const MONTHS_MAX = 36;

/** What is due for the archive by each workspace's policy of now, oldest month first. */
export async function planArchive(ctx: WorkerContext): Promise<DueMonth[]> {
  return (await archivePlan(ctx.db)).slice(0, MONTHS_MAX);
}
