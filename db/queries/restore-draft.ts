import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

const textArray = (values: readonly string[] | null) =>
  values === null
    ? sql`null::text[]`
    : sql`array(select jsonb_array_elements_text(${JSON.stringify(values)}::jsonb))`;
const oidArray = (values: readonly number[]) => sql`${`{${values.join(",")}}`}::oid[]`;
const instantOf = (time: Date | null) => sql`${time?.toISOString() ?? null}::timestamptz`;

const value = async <T>(db: Db, call: SQL): Promise<T> => {
  const [row] = await rows<{ value: T }>(db, sql`select ${call} as value`);
  return (row as { value: T }).value;
};

/** SQL: how many entries of tracked tables there are, counted no further than one more than `max`. */
const entriesUpTo = (max: number, where: SQL) => sql`(
  select count(*)::int
  from (
    select from audit.audit_logs l
    join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
      and t.tracked_at <= l.created_at and exists (select from pg_catalog.pg_class c where c.oid = t.relation)
    where ${where}
    limit ${max}::bigint + 1
  ) e
)`;

/** A count costs little beside a copy of all images. */
const draftUpTo = (tx: Db, max: number, draft: SQL, where: SQL) =>
  value<number>(
    tx,
    sql`case when ${entriesUpTo(max, where)} > ${max}::int then ${max}::int + 1 else ${draft} end`,
  );

/** The draft of a restore, kept in temporary tables of the transaction that it is made in. */
export const draftOf = (tx: Db) => ({
  newId: () => value<string>(tx, sql`audit.uuid_v7()`),
  begin: () => value(tx, sql`audit.begin_restore_draft()`),
  /** Each returns how many entries of the history it found; of more than `max` it drafts none, and returns `max` + 1. */
  since: (relation: number, at: Date, max: number) =>
    draftUpTo(
      tx,
      max,
      sql`audit.draft_since(${relation}::oid, ${instantOf(at)})`,
      sql`l.created_at > ${instantOf(at)} and t.relation = ${relation}::oid`,
    ),
  transaction: (id: string, max: number) =>
    draftUpTo(tx, max, sql`audit.draft_transaction(${id}::xid8)`, sql`l.txid = ${id}::xid8`),
  actor: (userId: string, from: Date, to: Date, relations: number[] | null, max: number) => {
    const only = relations === null ? sql`null::oid[]` : oidArray(relations);
    return draftUpTo(
      tx,
      max,
      sql`audit.draft_actor(${userId}, ${instantOf(from)}, ${instantOf(to)}, ${only})`,
      sql`l.user_id = ${userId} and l.created_at >= ${instantOf(from)} and l.created_at < ${instantOf(to)}
        and (${only} is null or t.relation = any (${only}))`,
    );
  },
  /** How many changes of this key there are from an entry, or since a time, on; counted up to `max` + 1. */
  countRecord: (relation: number, recordId: string, entryId: string | null, at: Date | null, max: number) =>
    value<number>(
      tx,
      entriesUpTo(
        max,
        sql`t.relation = ${relation}::oid and l.record_id = ${recordId}
          and (l.id >= ${entryId}::bigint or l.created_at > ${instantOf(at)})`,
      ),
    ),
  /** The record's key at the point; null when its history has none. */
  record: (relation: number, recordId: string, entryId: string | null, at: Date | null) =>
    value<string | null>(
      tx,
      sql`audit.draft_record(${relation}::oid, ${recordId}, ${entryId}::bigint, ${instantOf(at)})`,
    ),
  rollback: (runId: string) => value<number>(tx, sql`audit.draft_rollback(${runId}::uuid)`),
  /** Leaves only the record that was asked for, whose entry is the first, of those that its keys led to. */
  keepFirst: () =>
    tx.execute(
      sql`delete from pg_temp.restore_draft where entry_id <> (select min(id) from pg_temp.restore_entries)`,
    ),
  rows: (undo: boolean) => value(tx, sql`audit.draft_rows(${undo})`),
  matchLive: () => value(tx, sql`audit.match_live_rows()`),
  children: (at: Date | null) => value<number>(tx, sql`audit.draft_children(${instantOf(at)})`),
  parents: (at: Date | null) => value<number>(tx, sql`audit.draft_parents(${instantOf(at)})`),
  /** Whether these are all values of the column. */
  fitsFilter: async (relation: number, column: string, values: (string | null)[]) =>
    (await value(
      tx,
      sql`audit.filter_values(${relation}::oid, ${column}, ${JSON.stringify(values)}::jsonb)`,
    )) !== null,
  filter: (where: { column: string; values: (string | null)[] }[]) =>
    value(tx, sql`audit.filter_draft(${JSON.stringify(where)}::jsonb)`),
  markChangedSince: () => value(tx, sql`audit.mark_changed_since()`),
  forgive: (runId: string) => value(tx, sql`audit.forgive_changes_of(${runId}::uuid)`),
  mapColumns: (only: string[] | null) => value(tx, sql`audit.map_columns(${textArray(only)})`),
  /** How many rows that came after the point stay. */
  decide: (strict: boolean) => value<number>(tx, sql`audit.decide_actions(${strict})`),
  checkUnique: () => value(tx, sql`audit.check_unique()`),
  checkLostChildren: () => value(tx, sql`audit.check_lost_children()`),
  spreadClashes: () => value(tx, sql`audit.spread_clashes()`),
  widenRollback: (runId: string) => value(tx, sql`audit.widen_rollback(${runId}::uuid)`),
  checkDependents: () => value(tx, sql`audit.check_dependents()`),
  checkHolds: () => value(tx, sql`audit.check_holds()`),
  checkConstraints: () => value(tx, sql`audit.check_constraints()`),
  /** Gaps of the history since a time concern also the tables in which nothing was found. */
  checkAccess: (relations: number[], since: Date | null) =>
    value(tx, sql`audit.check_access(${oidArray(relations)}, ${instantOf(since)})`),
  relations: async () =>
    (
      await rows<{ relation: string }>(tx, sql`select distinct relation::text from pg_temp.restore_draft`)
    ).map(({ relation }) => Number(relation)),
  count: () => value<number>(tx, sql`(select count(*)::int from pg_temp.restore_draft)`),
  order: (chunkRows: number) => value(tx, sql`audit.order_draft(${chunkRows}::int)`),
  store: (runId: string, chunkRows: number) =>
    value(tx, sql`audit.store_items(${runId}::uuid, ${chunkRows}::int)`),
  digest: (runId: string) => value<string>(tx, sql`audit.items_digest(${runId}::uuid)`),
});

export type Draft = ReturnType<typeof draftOf>;

export interface DraftProblem {
  severity: "blocking" | "conflict" | "loss" | "note";
  code: string;
  table: string | null;
  /** Rows concerned, and the first ten of their keys. */
  count: number;
  recordIds: string[];
  detail: Record<string, unknown>;
}

const PROBLEMS_MAX = 200;

export async function draftProblems(tx: Db): Promise<DraftProblem[]> {
  return rows<DraftProblem>(
    tx,
    sql`
      with problem as (
        select severity, code, relation, record_id, detail - 'holder' as detail, detail ->> 'holder' as holder
        from pg_temp.restore_problems
        union all
        select 'conflict', 'changed_since', relation, record_id, '{}', null
        from pg_temp.restore_draft
        where conflict = 'changed_since'
      )
      select p.severity, p.code, case when t.relation is not null then t.table_schema || '.' || t.table_name end as "table",
        count(*)::int as count,
        coalesce((array_agg(p.record_id order by p.record_id) filter (where p.record_id is not null))[1:10], '{}') as "recordIds",
        p.detail || case when min(p.holder) is null then '{}' else
          jsonb_build_object('holders', to_jsonb((array_agg(p.holder order by p.record_id))[1:10])) end as detail
      from problem p
      left join audit.tracked_tables t on t.relation = p.relation
      group by p.severity, p.code, t.relation, t.table_schema, t.table_name, p.detail
      order by array_position(array['blocking', 'conflict', 'loss', 'note'], p.severity), p.code, 3, p.detail::text
      limit ${PROBLEMS_MAX}`,
  );
}

interface PlannedTable {
  relation: number;
  name: string;
  insert: number;
  update: number;
  delete: number;
}

/** What a run's items do to each table, in the order of their names, and where its chunks begin. */
export async function plannedShape(
  tx: Db,
  runId: string,
): Promise<{ tables: PlannedTable[]; chunkStarts: number[]; itemCount: number }> {
  const [row] = await rows<{ tables: PlannedTable[]; chunkStarts: number[]; itemCount: number }>(
    tx,
    sql`
      select
        coalesce((
          select jsonb_agg(to_jsonb(t) order by t.name)
          from (
            select i.relation::bigint as relation, min(k.table_schema || '.' || k.table_name) as name,
              count(*) filter (where i.action = 'insert') as insert, count(*) filter (where i.action = 'update') as update,
              count(*) filter (where i.action = 'delete') as delete
            from audit.restore_items i
            join audit.tracked_tables k on k.relation = i.relation
            where i.run_id = ${runId}::uuid
            group by i.relation
          ) t
        ), '[]') as tables,
        array(
          select min(i.position) from audit.restore_items i where i.run_id = ${runId}::uuid group by i.chunk order by 1
        ) as "chunkStarts",
        (select count(*)::int from audit.restore_items i where i.run_id = ${runId}::uuid) as "itemCount"`,
  );
  return row as { tables: PlannedTable[]; chunkStarts: number[]; itemCount: number };
}

/** The columns of tables as they are now: what of them a plan rests on. */
export async function shapesOf(tx: Db, relations: number[]): Promise<unknown[]> {
  return rows(
    tx,
    sql`
      select r.relation::text, c.name, c.type, c.is_writable, c.is_hidden, c.is_required
      from unnest(${oidArray(relations)}) r (relation)
      cross join lateral audit.restore_columns(r.relation) c
      order by r.relation, c.name`,
  );
}

interface NamedTable {
  relation: number | null;
  name: string;
  /** Null: it is not tracked now. */
  trackedAt: Date | null;
  exists: boolean;
}

/** Tables by `schema.name`: whether they exist, and since when they are tracked. */
export async function nameTables(db: Db, names: string[]): Promise<NamedTable[]> {
  const found = await rows<Omit<NamedTable, "trackedAt"> & { trackedAt: string | null }>(
    db,
    sql`
      select n.name, t.relation::bigint as relation, t.tracked_at::text as "trackedAt", c.oid is not null as exists
      from jsonb_array_elements_text(${JSON.stringify(names)}::jsonb) with ordinality n (name, position)
      left join (pg_catalog.pg_class c join pg_catalog.pg_namespace s on s.oid = c.relnamespace)
        on s.nspname || '.' || c.relname = n.name and c.relkind in ('r', 'p')
      left join audit.tracked_tables t on t.relation = c.oid and t.relation = t.root
      order by n.position`,
  );
  return found.map((one) => ({
    ...one,
    relation: one.relation === null ? null : Number(one.relation),
    trackedAt: one.trackedAt === null ? null : new Date(one.trackedAt),
  }));
}

/** The columns of a table that its history shows. */
export async function shownColumns(db: Db, relation: number): Promise<string[]> {
  const found = await rows<{ name: string }>(
    db,
    sql`select name from audit.restore_columns(${relation}::oid) where not is_hidden`,
  );
  return found.map(({ name }) => name);
}
