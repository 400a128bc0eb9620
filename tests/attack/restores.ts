import { randomUUID } from "node:crypto";
import type { Query } from "./fingerprint.ts";

/** So many of each kind, because a request ends what it is accepted for. */
const RUNS = 20;

/** Restores in every state that a route asks for, on a tracked table; what no list tells of them, by path or by name. */
export async function restoresOf(query: Query, table: string): Promise<Record<string, string[]>> {
  const [row] = await query(
    `select l.id::text as entry, l.txid::text as transaction
     from audit.audit_logs l where l.table_schema || '.' || l.table_name = $1 and l.action = 'UPDATE' order by l.id desc limit 1`,
    [table],
  );
  const runs = async (status: string, more: Partial<Record<string, string | boolean>> = {}) => {
    const ids: string[] = [];
    for (let n = 0; n < RUNS; n++)
      ids.push(await insertRun(query, table, status, { ...more, row: String(100 + n) }));
    return ids;
  };
  const waiting = await runs("awaiting_approval");
  const failed = await runs("failed");
  const ended = await runs("completed", { isApplied: true });
  return {
    table: [table],
    tables: [table],
    recordId: ["1"],
    entryId: [String(row?.entry)],
    transactionId: [String(row?.transaction)],
    planId: [randomUUID()],
    digest: ["0".repeat(64)],
    columns: ["name"],
    // To be approved, rejected or cancelled; to be resumed; to be rolled back, or have its side effects repeated.
    "/api/restores/{id}": [...waiting, ...failed, ...ended],
  };
}

async function insertRun(
  query: Query,
  table: string,
  status: string,
  { isApplied = false, row = "" }: Partial<Record<string, string | boolean>>,
): Promise<string> {
  const [run] = await query(
    `insert into audit.restore_runs (status, target, options, reason, digest, tables, problems, item_count, chunk_starts,
       requested_by_user_id, requested_by_key_id, expires_at, started_at, ended_at, approval_needed, approval_expires_at, snapshot_id)
     select $1, jsonb_build_object('table', $2::text, 'recordId', '1'),
       '{"createSnapshot": true, "strictDelete": false, "onConflict": "fail", "flush": "auto", "reenqueue": "auto"}', 'a test', 'none',
       jsonb_build_array(jsonb_build_object('name', $2::text, 'relation', $2::regclass::oid::bigint, 'insert', 0, 'update', 1, 'delete', 0, 'touch', '[]'::jsonb)),
       '[]', 1, '{1}', 'somebody', gen_random_uuid(), now() + interval '1 day', now(),
       case when $1 in ('completed', 'failed') then now() end,
       case when $1 = 'awaiting_approval' then 'Needs approval.' end,
       case when $1 = 'awaiting_approval' then now() + interval '1 day' end,
       case when $3 then gen_random_uuid() end
     returning id`,
    [status, table, isApplied],
  );
  const id = String(run?.id);
  if (!isApplied) return id;
  await query(`insert into ${table} values ($1::int, 'restored')`, [row]);
  await query(
    `with item as (
       insert into audit.restore_items (run_id, position, chunk, batch, relation, record_id, live_record_id, action, origin, columns, target, live, live_digest)
       values ($1, 1, 1, 1, $2::regclass, $3::text, $3::text, 'update', 'target', '{name}', jsonb_build_object('id', $3::text::int, 'name', 'restored'),
         jsonb_build_object('id', $3::text::int, 'name', 'before'), '\\x00')
       returning *
     ),
     outcome as (insert into audit.restore_outcomes (run_id, position, outcome) select run_id, 1, 'applied' from item),
     chunk as (insert into audit.restore_chunks (run_id, chunk, applied_count, skipped_count) select run_id, 1, 1, 0 from item)
     insert into audit.restore_snapshot_rows (run_id, position, image, digest) select run_id, 1, live, live_digest from item`,
    [id, table, row],
  );
  return id;
}
