import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

export interface VerifiableTable {
  /** Its oid. */
  relation: string;
  /** As `schema.name`. */
  name: string;
  tableSchema: string;
  tableName: string;
  /** Since when every change is recorded; as Postgres writes it. */
  trackedAt: string;
  /** Whether this role may compare the history with the rows of today. */
  isReadable: boolean;
}

/** The tables that are tracked and still there. */
export async function verifiableTables(db: Db): Promise<VerifiableTable[]> {
  return rows(
    db,
    sql`
      select t.relation::text as relation, t.table_schema || '.' || t.table_name as name,
        t.table_schema as "tableSchema", t.table_name as "tableName", t.tracked_at::text as "trackedAt",
        has_table_privilege(t.relation, 'select') as "isReadable"
      from audit.tracked_tables t
      join pg_class c on c.oid = t.relation
      where t.relation = t.root
      order by 2`,
  );
}

const entriesOf = ({ tableSchema, tableName, trackedAt }: VerifiableTable): SQL => sql`
  audit.audit_logs l
  where l.table_name = ${tableName} and l.table_schema = ${tableSchema} and l.created_at >= ${trackedAt}::timestamptz`;

/** How many records of a table have entries since it is tracked. */
export async function countRecords(db: Db, table: VerifiableTable): Promise<number> {
  const [row] = await rows<{ count: number }>(
    db,
    sql`select count(*)::int as count from (select distinct l.record_id from ${entriesOf(table)}) r`,
  );
  return row?.count ?? 0;
}

/**
 * The records of a table's next `entries` entries after a record (null: from the first), by their ids; also those that got
 * theirs by a change of key. None when there are no more.
 */
export async function recordsAfter(
  db: Db,
  table: VerifiableTable,
  after: string | null,
  entries: number,
): Promise<string[]> {
  // Each half is read off an index, in order; where one ends at the limit, the other's later records wait.
  const half = (column: SQL) => sql`
    select ${column} as id from ${entriesOf(table)} and ${column} is not null
      ${after === null ? sql`` : sql`and ${column} > ${after}`}
    order by 1
    limit ${entries}`;
  const found = await rows<{ id: string }>(
    db,
    sql`
      with a as materialized (${half(sql`l.record_id`)}), b as materialized (${half(sql`l.new_record_id`)})
      select distinct id from (select id from a union all select id from b) r
      where id <= coalesce(
        least((select max(id) from a having count(*) = ${entries}), (select max(id) from b having count(*) = ${entries})), id
      )
      order by 1`,
  );
  return found.map((one) => one.id);
}

interface NewestRecords {
  /** As `schema.name`. */
  name: string;
  recordIds: string[];
  /** The oldest of the entries. */
  since: string;
}

/** Which records the newest `entries` entries are about, by table: of the newest transactions, for these have an index. */
export async function newestRecords(
  db: Db,
  tables: VerifiableTable[],
  limits: { entries: number; tables: number },
): Promise<NewestRecords[]> {
  const names = JSON.stringify(tables.map((table) => table.name));
  return rows(
    db,
    sql`
      select name, array_agg(distinct record_id) as "recordIds", min(id)::text as since
      from (
        select l.table_schema || '.' || l.table_name as name, l.record_id, l.id
        from audit.audit_logs l
        where l.table_schema || '.' || l.table_name = any (array(select jsonb_array_elements_text(${names}::jsonb)))
        order by l.txid desc
        limit ${limits.entries}
      ) l
      group by 1
      order by max(id) desc
      limit ${limits.tables}`,
  );
}

export interface HistoryBreak {
  recordId: string;
  /** The entry before which the chain breaks; the record's last one when it is today's row that differs. */
  entryId: string;
  kind: "gap" | "image" | "live" | "order";
  /** The columns that differ; null when the whole row does. */
  fields: string[] | null;
  /** Null: nothing that is known explains it. */
  explainedBy: "off" | "error" | "columns" | null;
}

/** Where the history of these records of a tracked table cannot be followed, in order; from the entry `since` on. */
export async function historyBreaks(
  db: Db,
  { relation }: VerifiableTable,
  recordIds: string[],
  since = "0",
): Promise<HistoryBreak[]> {
  const ids = sql`array(select jsonb_array_elements_text(${JSON.stringify(recordIds)}::jsonb))`;
  return rows(
    db,
    sql`
      select record_id as "recordId", entry_id::text as "entryId", kind, fields, explained_by as "explainedBy"
      from audit.history_breaks(${relation}::oid::regclass, ${ids}, ${since}::bigint)`,
  );
}
