import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { asActor, rows } from "./rows.ts";

/** A month of events of which something is due for the archive. */
export interface DueMonth {
  /** Its first day: 2026-01-01. */
  month: string;
  /** Whether it moves whole, or what is due in it moves alone. */
  kind: "month" | "rows";
  /** Which side goes over row by row before a month moves whole; null when the archive has nothing of it. */
  merge: "to_archive" | "to_hot" | null;
}

export type MoveOutcome = "moved" | "dropped" | "gone" | "not_due" | "not_merged" | "emptied";

export async function archivePlan(db: Db): Promise<DueMonth[]> {
  return rows(
    db,
    sql`select p.month::text as month, p.kind, p.merge from audit.archive_plan() p order by p.month`,
  );
}

/** Moves up to `limit` events of a month in one transaction; returns how many. */
export async function moveEvents(
  db: Db,
  month: string,
  how: "due" | "to_archive" | "to_hot",
  limit: number,
): Promise<number> {
  const [row] = await rows<{ count: number }>(
    db,
    sql`select audit.archive_rows(${month}::date, ${how}, ${limit}::int) as count`,
  );
  return row?.count ?? 0;
}

/** Moves a month whole, in milliseconds. Throws 55P03 when the tables are busy. */
export async function moveMonth(db: Db, month: string): Promise<MoveOutcome> {
  const [row] = await rows<{ outcome: MoveOutcome }>(
    db,
    sql`select audit.archive_month(${month}::date) as outcome`,
  );
  return row?.outcome ?? "gone";
}

export async function analyzeMonth(db: Db, month: string): Promise<void> {
  await db.execute(sql`select audit.analyze_month(${month}::date)`);
}

interface Stay {
  keepDays: number;
  userId: string;
  requestId: string;
  reason: string | null;
}

/** Brings an event back into hot storage, or keeps it there; returns until when it stays. */
export async function unarchiveEvent(
  db: Db,
  id: string,
  { keepDays, reason, ...actor }: Stay,
): Promise<Date> {
  const call = sql`audit.unarchive_audit_event(${id}::uuid, ${keepDays}::int, ${actor.userId}, ${reason})::text`;
  const [row] = await rows<{ until: string }>(db, sql`select ${asActor(actor, call)} as until`);
  return new Date(row?.until ?? "");
}

/** An event of a cold file, and what proves that the file holds it. */
export interface ProvenEvent {
  fileId: string;
  /** Its place in the file, from 1. */
  row: number;
  /** As audit.archive_lines writes it. */
  line: string;
  /** The SHA-256 of every line of the file, one after the other. */
  digests: Uint8Array;
}

/** Brings an event back to hot storage; returns until when it stays. Throws P0002 when its file was purged meanwhile. */
export async function unarchiveColdEvent(
  db: Db,
  { fileId, row, line, digests }: ProvenEvent,
  { keepDays, reason, ...actor }: Stay,
): Promise<Date> {
  const call = sql`
    audit.unarchive_cold_event(
      ${fileId}::uuid, ${row}::int, ${line}, ${Buffer.from(digests)}::bytea, ${keepDays}::int, ${actor.userId}, ${reason}
    )::text`;
  const [found] = await rows<{ until: string }>(db, sql`select ${asActor(actor, call)} as until`);
  return new Date(found?.until ?? "");
}
