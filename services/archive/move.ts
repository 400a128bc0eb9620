import {
  analyzeMonth,
  moveEvents,
  moveMonth,
  type DueMonth,
  type MoveOutcome,
} from "../../db/queries/archive.ts";
import { DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE } from "../../lib/sqlstate.ts";
import type { WorkerContext } from "../context.ts";
import { hasSqlstate } from "../postgres-errors.ts";

/**
 * Moves a month into the archive whole, in a transaction of milliseconds. `busy` when readers or writers held the tables for
 * 0.8 s: ask again later. A repeated call finds the month `gone`.
 */
export async function archiveMonth(ctx: WorkerContext, month: string): Promise<MoveOutcome | "busy"> {
  return orBusy(() => moveMonth(ctx.db, month));
}

/** Moves up to `limit` events of a month in one transaction; returns how many, or `busy`. */
export async function archiveBatch(
  ctx: WorkerContext,
  { month, merge }: DueMonth,
  limit: number,
): Promise<number | "busy"> {
  return orBusy(() => moveEvents(ctx.db, month, merge ?? "due", limit));
}

/** Gathers the statistics of a month that moved. */
export async function analyzeArchivedMonth(ctx: WorkerContext, month: string): Promise<void> {
  await orBusy(() => analyzeMonth(ctx.db, month));
}

async function orBusy<T>(move: () => Promise<T>): Promise<T | "busy"> {
  try {
    return await move();
  } catch (error) {
    // Somebody else was there; nothing was changed.
    if (hasSqlstate(error, LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED)) return "busy";
    throw error;
  }
}
