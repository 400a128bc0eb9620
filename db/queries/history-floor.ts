import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

export interface HistoryFloor {
  /** Since when the row history is kept. */
  beginsAt: Date;
  /** Transactions of which a part is gone. */
  splitTransactions: string[];
}

/** Null while no month of the row history was dropped. */
export async function historyFloor(db: Db): Promise<HistoryFloor | null> {
  const [row] = await rows<{ beginsAt: string; splitTransactions: string[] }>(
    db,
    sql`
      select begins_at::text as "beginsAt", to_json(split_transactions::text[]) as "splitTransactions"
      from audit.history_floor`,
  );
  return row ? { ...row, beginsAt: new Date(row.beginsAt) } : null;
}

/** No month of the row history goes until the transaction ends; before its first query, whose snapshot counts. */
export async function keepHistory(tx: Db): Promise<void> {
  await tx.execute(sql`lock table audit.audit_logs in access share mode`);
}

export type MonthDrop =
  | { outcome: "dropped"; month: string; rowCount: number; beginsAt: string }
  | { outcome: "held"; month: string }
  | { outcome: "none" };

/** Drops the oldest month of the row history that is past `monthsKept`, logged before; 55P03 when it is in use. */
export async function dropHistoryMonth(db: Db, by: string, monthsKept: number): Promise<MonthDrop> {
  const [row] = await rows<MonthDrop>(
    db,
    sql`
      select outcome, month, row_count::float8 as "rowCount", begins_at::text as "beginsAt"
      from audit.drop_history_month(${by}, ${monthsKept}::int)`,
  );
  return row as MonthDrop;
}
