import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

export type ChunkOutcome =
  | { state: "done"; applied: number; skipped: number }
  | {
      state: "conflict" | "held";
      rows: number;
      items: { position: number; table: string; recordId: string }[];
    }
  | { state: "cancelled" }
  | { state: "superseded" };

/** Applies a chunk of a run, once; unless it says done, nothing was changed. */
export async function applyChunk(
  db: Db,
  { runId, chunk, epoch }: { runId: string; chunk: number; epoch: number },
): Promise<ChunkOutcome> {
  return db.transaction(async (tx) => {
    const [row] = await rows<{ outcome: ChunkOutcome }>(
      tx,
      sql`select audit.apply_restore_chunk(${runId}::uuid, ${chunk}::int, ${epoch}::int) as outcome`,
    );
    return (row as { outcome: ChunkOutcome }).outcome;
  });
}

export interface Difference {
  table: string;
  recordId: string;
  cause: "trigger" | "changed_since" | "wrong" | "unrecorded";
  columns: string[];
}

const EXAMPLES_MAX = 20;

/** Reads a chunk's rows again: how many are not what they were to be, by cause, and the first of each. None of a chunk that is not applied. */
export async function verifyChunk(
  db: Db,
  runId: string,
  chunk: number,
): Promise<{ counts: Partial<Record<Difference["cause"], number>>; examples: Difference[] }> {
  return db.transaction(async (tx) => {
    const found = await rows<Difference & { total: number }>(
      tx,
      sql`
        select * from (
          select t.table_schema || '.' || t.table_name as "table", v.record_id as "recordId", v.cause, v.columns,
            count(*) over (partition by v.cause)::int as total,
            row_number() over (partition by v.cause order by v.position) as n
          from audit.verify_restore_rows(${runId}::uuid, ${chunk}::int) v
          join audit.tracked_tables t on t.relation = v.relation
        ) v
        where n <= ${EXAMPLES_MAX}
        order by cause, n`,
    );
    return {
      counts: Object.fromEntries(found.map(({ cause, total }) => [cause, total])),
      examples: found.map(({ table, recordId, cause, columns }) => ({ table, recordId, cause, columns })),
    };
  });
}
