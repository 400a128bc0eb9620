import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

export async function addPartitions(db: Db, monthsAhead: number): Promise<number> {
  const [row] = await rows<{ added: number }>(
    db,
    sql`select audit.create_monthly_audit_partition(${monthsAhead}::int) as added`,
  );
  return row?.added ?? 0;
}

interface PartitionedTable {
  tableName: string;
  /** Whole months after this one that have a partition. */
  monthsAhead: number;
  /** Whether a row of now has a partition to go to. */
  coversNow: boolean;
}

export async function partitionSchedule(db: Db): Promise<PartitionedTable[]> {
  return rows<PartitionedTable>(
    db,
    sql`
      select table_name as "tableName", months_ahead::int as "monthsAhead", covers_now as "coversNow"
      from audit.partition_schedule
      order by table_name`,
  );
}
