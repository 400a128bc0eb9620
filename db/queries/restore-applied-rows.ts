import { sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
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

interface AppliedRowsQuery {
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
