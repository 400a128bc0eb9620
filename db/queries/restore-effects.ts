import { and, asc, eq, gt, inArray, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { restoreEffects as e } from "../schema/index.ts";
import { rows } from "./rows.ts";

/** The values of some of a row's columns as text; null where a column is null, absent where the image has none. */
export type RowImage = Record<string, string | null>;

/** A row that a restore has applied. */
export interface AppliedRow {
  /** Its place in the plan, from 1. */
  position: number;
  /** `schema.name`. */
  table: string;
  recordId: string;
  /** As it was; null where there was none. */
  before: RowImage | null;
  /** As the restore left it; null where it removed it. */
  after: RowImage | null;
}

export interface AppliedRowsQuery {
  runId: string;
  /** The position to go on after; 0 for the first page. */
  after: number;
  limit: number;
  /** Which tables' rows, by `schema.name`, and which of their columns. */
  columns: Record<string, readonly string[]>;
  /** Only rows that are there after the restore. */
  present?: boolean;
}

/** The rows that a run has applied, by position. */
export async function appliedRows(db: Db, query: AppliedRowsQuery): Promise<AppliedRow[]> {
  const { runId, after, limit, columns, present = false } = query;
  const relations = await relationsOf(db, runId, Object.keys(columns));
  if (relations.length === 0) return [];
  const byTable = (image: (columns: readonly string[]) => SQL) =>
    sql.join([
      sql`case i.relation`,
      ...relations.map(
        ({ relation, name }) => sql` when ${relation}::oid then ${image(columns[name] ?? [])}`,
      ),
      sql` end`,
    ]);
  const found = await rows<Omit<AppliedRow, "table"> & { relation: number }>(
    db,
    sql`
      select
        i.position,
        i.relation::bigint::float8 as relation,
        i.record_id as "recordId",
        case when i.live is not null or s.image is not null then ${byTable((names) => picked(names, live))} end as before,
        case when i.target is not null then ${byTable((names) => picked(names, restored))} end as after
      from audit.restore_items i
      left join lateral (
        select s.image, s.exact from audit.restore_snapshot_rows s where s.run_id = i.run_id and s.position = i.position offset 0
      ) s on true
      where i.run_id = ${runId}::uuid and i.position > ${after}
        -- No join: a run's rows are so new that the planner, taking them for few, compares each with all outcomes.
        and (select o.outcome from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position) = 'applied'
        and i.relation in (${sql.join(
          relations.map(({ relation }) => sql`${relation}::oid`),
          sql`, `,
        )})
        ${present ? sql`and i.action <> 'delete'` : sql``}
      order by i.position
      limit ${limit}`,
  );
  const names = new Map(relations.map(({ relation, name }) => [relation, name]));
  return found.map(({ relation, ...row }) => ({ ...row, table: names.get(relation) ?? "" }));
}

/** As the snapshot has the row, which took up what was overwritten; else as it was planned. */
const live = (column: string) =>
  sql`coalesce(s.exact ->> ${column}::text, s.image ->> ${column}::text, i.live_exact ->> ${column}::text, i.live ->> ${column}::text)`;

const restored = (column: string) => sql`
  case when i.action = 'insert' or i.columns is null or ${column}::text = any (i.columns)
    then coalesce(i.target_exact ->> ${column}::text, i.target ->> ${column}::text)
    else ${live(column)}
  end`;

/** Some columns of an image, as text. */
function picked(columns: readonly string[], value: (column: string) => SQL): SQL {
  const list = (items: SQL[]) => sql`array[${sql.join(items, sql`, `)}]::text[]`;
  return sql`jsonb_object(${list(columns.map((column) => sql`${column}::text`))}, ${list(columns.map(value))})`;
}

/** Which of a run's relations these tables are. */
async function relationsOf(
  db: Db,
  runId: string,
  tables: string[],
): Promise<{ relation: number; name: string }[]> {
  return rows(
    db,
    sql`
      select distinct (t ->> 'relation')::float8 as relation, t ->> 'name' as name
      from audit.restore_runs r
      cross join jsonb_array_elements(r.tables) t
      where r.id = ${runId}::uuid and t ->> 'name' in (select jsonb_array_elements_text(${JSON.stringify(tables)}::jsonb))`,
  );
}

export type EffectKind = (typeof e.$inferSelect)["kind"];
export type EffectDetail = Record<string, unknown>;

/** The effects of one kind, of a run and one of the times they were asked for. */
export interface EffectScope {
  runId: string;
  repeat: number;
  kind: EffectKind;
}

export interface NotedEffect {
  name: string;
  isDone: boolean;
  detail: EffectDetail;
}

const within = ({ runId, repeat, kind }: EffectScope) =>
  and(eq(e.runId, runId), eq(e.repeat, repeat), eq(e.kind, kind));
const noted = { name: e.name, isDone: e.isDone, detail: sql<EffectDetail>`coalesce(${e.detail}, '{}')` };

/** Those of these effects that are noted, by name. */
export async function findEffects(
  db: Db,
  scope: EffectScope,
  names: readonly string[],
): Promise<Map<string, NotedEffect>> {
  if (names.length === 0) return new Map();
  const found = await db
    .select(noted)
    .from(e)
    .where(and(within(scope), inArray(e.name, [...names])));
  return new Map(found.map((one) => [one.name, one]));
}

/** Keys that are noted and of which nobody noted that they are gone. */
export async function openFlushes(
  db: Db,
  scope: Omit<EffectScope, "kind">,
  limit: number,
): Promise<NotedEffect[]> {
  return db
    .select(noted)
    .from(e)
    .where(
      and(
        within({ ...scope, kind: "flush" }),
        eq(e.isDone, false),
        sql`${e.detail} ->> 'type' is distinct from 'pattern'`,
      ),
    )
    .limit(limit);
}

/** Notes effects; one that is noted already stays as it is. Returns the names that are new. */
export async function noteEffects(
  db: Db,
  scope: EffectScope,
  effects: readonly { name: string; detail: EffectDetail; isDone?: boolean }[],
): Promise<string[]> {
  if (effects.length === 0) return [];
  // In one order, so that two calls with the same effects wait for each other and do not lock each other out.
  const sorted = effects.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const added = await db
    .insert(e)
    .values(
      sorted.map(({ name, detail, isDone = false }) => ({
        runId: scope.runId,
        repeat: scope.repeat,
        kind: scope.kind,
        name,
        detail,
        isDone,
        ...(isDone ? { doneAt: sql`clock_timestamp()` } : {}),
      })),
    )
    .onConflictDoNothing()
    .returning({ name: e.name });
  return added.map((one) => one.name);
}

/** Marks noted effects as done; returns those that were not yet. */
export async function finishEffects(
  db: Db,
  scope: EffectScope,
  names: readonly string[],
): Promise<NotedEffect[]> {
  if (names.length === 0) return [];
  return db
    .update(e)
    .set({ isDone: true, doneAt: sql`clock_timestamp()` })
    .where(and(within(scope), eq(e.isDone, false), inArray(e.name, [...names])))
    .returning(noted);
}

/** Adds to what is noted of effects. */
export async function addToEffects(
  db: Db,
  scope: EffectScope,
  names: readonly string[],
  detail: EffectDetail,
): Promise<void> {
  if (names.length === 0) return;
  await db
    .update(e)
    .set({ detail: sql`coalesce(${e.detail}, '{}') || ${JSON.stringify(detail)}::jsonb` })
    .where(and(within(scope), inArray(e.name, [...names])));
}

/** Replaces what is noted of an effect, done or new. */
export async function putEffect(
  db: Db,
  scope: EffectScope,
  { name, isDone, detail }: NotedEffect,
): Promise<void> {
  const end = { isDone, detail, doneAt: isDone ? sql`clock_timestamp()` : null };
  await db
    .insert(e)
    .values({ runId: scope.runId, repeat: scope.repeat, kind: scope.kind, name, ...end })
    .onConflictDoUpdate({ target: [e.runId, e.repeat, e.kind, e.name], set: end });
}

/** Keys that had a value when they were flushed, by name. */
export async function flushedKeys(
  db: Db,
  scope: Omit<EffectScope, "kind">,
  { after, limit }: { after: string; limit: number },
): Promise<NotedEffect[]> {
  return db
    .select(noted)
    .from(e)
    .where(
      and(
        within({ ...scope, kind: "flush" }),
        eq(e.isDone, true),
        gt(e.name, after),
        sql`${e.detail} ? 'digest'`,
      ),
    )
    .orderBy(asc(e.name))
    .limit(limit);
}

/** How many keys with a value were flushed, and how many jobs were enqueued. */
export async function effectTotals(
  db: Db,
  { runId, repeat }: Omit<EffectScope, "kind">,
): Promise<{ flushed: number; enqueued: number }> {
  const [totals] = await db
    .select({
      flushed: sql<number>`(count(*) filter (where ${e.kind} = 'flush' and ${e.detail} ? 'digest'))::int`,
      enqueued: sql<number>`(count(*) filter (where ${e.kind} = 'enqueue'))::int`,
    })
    .from(e)
    .where(and(eq(e.runId, runId), eq(e.repeat, repeat), eq(e.isDone, true)));
  return totals ?? { flushed: 0, enqueued: 0 };
}

/** Has the keys and patterns that a run flushed flushed once more, because it goes on. */
export async function reopenFlushes(db: Db, runId: string): Promise<void> {
  await db
    .update(e)
    .set({ isDone: false, doneAt: null, detail: sql`${e.detail} - 'cursor'` })
    .where(and(within({ runId, repeat: 0, kind: "flush" }), eq(e.isDone, true)));
}
