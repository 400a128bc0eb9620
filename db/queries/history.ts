import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { bounded, upTo, type Bound, type Bounded } from "./bounded.ts";
import { rows } from "./rows.ts";

export interface TrackedTable {
  schema: string;
  name: string;
  trackedAt: Date;
}

/**
 * Tables that are tracked, or were: by `schema.name`, or by the name alone in any schema. A table that was renamed is found
 * by both names, and answers with the one under which its history stands.
 */
export async function findTables(db: Db, schema: string | null, name: string): Promise<TrackedTable[]> {
  const found = await rows<{ schema: string; name: string; trackedAt: string }>(
    db,
    sql`
      select t.table_schema as schema, t.table_name as name, min(t.tracked_at)::text as "trackedAt"
      from (
        select relation, table_schema, table_name, tracked_at from audit.tracked_tables where relation = root
        union all
        select relation, table_schema, table_name, tracked_at from audit.untracked_tables
      ) t
      left join pg_catalog.pg_class c on c.oid = t.relation
      where (t.table_name = ${name} and (${schema}::text is null or t.table_schema = ${schema}))
        or (c.relname = ${name} and (${schema}::text is null or c.relnamespace::regnamespace::text = quote_ident(${schema})))
      group by 1, 2`,
  );
  return found.map((one) => ({ ...one, trackedAt: new Date(one.trackedAt) }));
}

/**
 * An entry as the JSON text that callers get: numbers in images keep every digit, which parsing them here would not.
 * `changes` has old and new per changed field.
 */
const ENTRY = sql`
  json_build_object(
    'id', l.id::text,
    'createdAt', to_char(l.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'action', l.action,
    'recordId', l.record_id,
    'newRecordId', l.new_record_id,
    'changedFields', l.changed_fields,
    'changes', (
      select json_object_agg(f.field, json_build_object('old', l.old_values -> f.field, 'new', l.new_values -> f.field))
      from unnest(l.changed_fields) f (field)
    ),
    'oldValues', l.old_values,
    'newValues', l.new_values,
    'userId', l.user_id,
    'requestId', l.request_id,
    'transactionId', l.txid::text,
    'restoreId', l.restore_id
  )::text`;

const ofRecord = (table: TrackedTable, recordId: string, more: SQL): SQL => sql`
  (
    select l.* from audit.audit_logs l
    where l.table_name = ${table.name} and l.table_schema = ${table.schema} and l.record_id = ${recordId} ${more}
  )
  union all
  (
    select l.* from audit.audit_logs l
    where l.table_name = ${table.name} and l.table_schema = ${table.schema} and l.new_record_id = ${recordId} ${more}
  )`;

export interface Entry {
  id: string;
  userId: string | null;
  json: string;
}

/** What happened to a record under this key, newest first, about `bytes` of it; a change of the key belongs to both. */
export async function listEntries(
  db: Db,
  table: TrackedTable,
  recordId: string,
  page: { before?: string; from?: Date; to?: Date; limit: number; bytes: number },
): Promise<Bounded<Entry>> {
  const { before, from, to, limit, bytes } = page;
  const more = sql`
    ${before === undefined ? sql`` : sql`and l.id < ${before}::bigint`}
    ${from === undefined ? sql`` : sql`and l.created_at >= ${from.toISOString()}::timestamptz`}
    ${to === undefined ? sql`` : sql`and l.created_at < ${to.toISOString()}::timestamptz`}
    order by l.id desc limit ${limit}`;
  // An entry names its values once more among its changes.
  const found = upTo(Math.ceil(bytes / 2), {
    list: sql`select * from (${ofRecord(table, recordId, more)}) e order by e.id desc limit ${limit}`,
    large: [sql`p.old_values`, sql`p.new_values`],
    order: sql`p.id desc`,
  });
  return bounded(
    await rows<Entry & Bound>(
      db,
      sql`
      select l.id::text as id, l.user_id as "userId", ${ENTRY} as json, l."hasNext"
      from ${found} l
      order by l.id desc`,
    ),
  );
}

/** Times as `to_json` has them in the history of a record, and its image then. */
interface Image {
  /** The entry that left the record so, or that found it so. */
  entryId: string;
  /** JSON text of the row; null when there was none. */
  values: string | null;
  exact: string | null;
}

/** The record as the last change until `time` left it, or as the first one after found it; null without either. */
export async function imageAt(
  db: Db,
  table: TrackedTable,
  recordId: string,
  time: Date,
): Promise<Image | null> {
  const at = sql`${time.toISOString()}::timestamptz`;
  const isIt = sql`l.table_name = ${table.name} and l.table_schema = ${table.schema}`;
  const one = (key: SQL, when: SQL, order: SQL) => sql`
    (select l.* from audit.audit_logs l where ${isIt} and ${key} = ${recordId} and ${when} order by l.id ${order} limit 1)`;
  const [row] = await rows<Image>(
    db,
    sql`
      with last as (
        select * from (
          ${one(sql`l.record_id`, sql`l.created_at <= ${at}`, sql`desc`)}
          union all
          ${one(sql`l.new_record_id`, sql`l.created_at <= ${at}`, sql`desc`)}
        ) l order by l.id desc limit 1
      ),
      first as (
        select * from (
          ${one(sql`l.record_id`, sql`l.created_at > ${at}`, sql`asc`)}
          union all
          ${one(sql`l.new_record_id`, sql`l.created_at > ${at}`, sql`asc`)}
        ) l order by l.id limit 1
      )
      select l.id::text as "entryId",
        case
          when l.action in ('DELETE', 'TRUNCATE') then null
          when l.new_record_id is not null and l.record_id = ${recordId} then null
          else (coalesce(l.old_values, '{}') || l.new_values)::text
        end as values,
        (coalesce(l.exact_values -> 'old', '{}') - coalesce(l.changed_fields, '{}') || coalesce(l.exact_values -> 'new', '{}'))::text as exact
      from last l
      union all
      select f.id::text,
        case when f.action = 'INSERT' or f.record_id <> ${recordId} then null else f.old_values::text end,
        (f.exact_values -> 'old')::text
      from first f
      where not exists (select from last)`,
  );
  return row ?? null;
}
