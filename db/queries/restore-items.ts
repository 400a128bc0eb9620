import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { bounded, upTo, type Bound, type Bounded } from "./bounded.ts";
import { rows } from "./rows.ts";

interface ItemText {
  position: number;
  json: string;
}

/**
 * Items of a run in the order in which they are applied, `limit` at most and about `bytes` of them, each as the JSON text that
 * callers get: numbers in images keep every digit. `changes` holds, per column that is written, what is there now and what is to
 * be; texts stand for values that JSON cannot hold.
 */
export async function listItems(
  db: Db,
  runId: string,
  { after, limit, bytes }: { after: number; limit: number; bytes: number },
): Promise<Bounded<ItemText>> {
  const found = upTo(bytes, {
    list: sql`
      select i.* from audit.restore_items i
      where i.run_id = ${runId}::uuid and i.position > ${after}
      order by i.position
      limit ${limit}`,
    large: [sql`p.live`, sql`p.target`],
    order: sql`p.position`,
  });
  const items = await rows<ItemText & Bound>(
    db,
    sql`
      select i.position, i."hasNext", json_build_object(
        'position', i.position,
        'table', t.table_schema || '.' || t.table_name,
        'recordId', i.record_id,
        'liveRecordId', i.live_record_id,
        'action', i.action,
        'origin', i.origin,
        'entryId', i.entry_id::text,
        'chunk', i.chunk,
        'conflict', i.conflict,
        'changes', (
          select json_object_agg(k.name, json_build_object(
            'now', coalesce(i.live_exact -> k.name, i.live -> k.name),
            'restored', coalesce(i.target_exact -> k.name, i.target -> k.name)) order by k.name)
          from (
            select unnest(i.columns) as name
            union
            select jsonb_object_keys(case when i.columns is null then coalesce(i.target, i.live) end)
          ) k
        ),
        'outcome', o.outcome,
        'detail', o.detail
      )::text as json
      from ${found} i
      left join audit.tracked_tables t on t.relation = i.relation
      left join audit.restore_outcomes o on o.run_id = i.run_id and o.position = i.position
      order by i.position`,
  );
  return bounded(items);
}

interface Counts {
  applied: number;
  skipped: number;
  chunksDone: number;
}

export async function countOutcomes(db: Db, runId: string): Promise<Counts> {
  const [row] = await rows<Counts>(
    db,
    sql`
      select coalesce(sum(applied_count), 0)::int as applied, coalesce(sum(skipped_count), 0)::int as skipped,
        count(*)::int as "chunksDone"
      from audit.restore_chunks where run_id = ${runId}::uuid`,
  );
  return row as Counts;
}
