import { and, inArray, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { bounded, upTo, type Bound, type Bounded } from "./bounded.ts";
import { rows } from "./rows.ts";
import {
  brief,
  liveProject,
  stored,
  type BriefTrailRow,
  type TrailRow,
  type TrailStatus,
} from "./trail-row.ts";

/** The trails with this message id in the given projects (null: any), two at most; none of a deleted project. */
export async function findTrails(
  db: Db,
  messageId: string,
  projectIds: readonly string[] | null,
): Promise<TrailRow[]> {
  return rows<TrailRow>(
    db,
    sql`
    select ${stored}
    from audit.audit_trails t
    where t.message_id = ${messageId} and ${within(projectIds)} and ${liveProject}
    limit 2`,
  );
}

export interface TrailFilter {
  /** Null: any project. */
  projectIds: readonly string[] | null;
  model?: string | undefined;
  status?: TrailStatus | undefined;
  /** `timestamp` at or after. */
  from?: Date | undefined;
  /** `timestamp` before. */
  to?: Date | undefined;
}

/** Where a page begins: after this row, newest first. */
interface TrailPosition {
  timestamp: string;
  id: string;
}

/** Trails newest first; `limit` rows at most and about `bytes`, after `position`. */
export async function listTrails(
  db: Db,
  filter: TrailFilter,
  { limit, bytes }: { limit: number; bytes: number },
  position: TrailPosition | null,
): Promise<Bounded<TrailRow>> {
  const order = sql`p.at desc, p.id desc`;
  const list = newest(sql`${stored}, t."timestamp" as at`, filter, limit, position);
  const found = upTo(bytes, { list, large: [sql`p.reasoning`], order });
  return bounded(await rows<TrailRow & Bound>(db, sql`select * from ${found} p order by ${order}`));
}

/** The newest trails, without their reasoning; `limit` rows at most. */
export async function listTrailsBriefly(
  db: Db,
  filter: TrailFilter,
  limit: number,
): Promise<BriefTrailRow[]> {
  return rows<BriefTrailRow>(db, newest(brief, filter, limit, null));
}

function newest(columns: SQL, filter: TrailFilter, limit: number, position: TrailPosition | null): SQL {
  const after =
    position && sql`and (t."timestamp", t.id) < (${position.timestamp}::timestamptz, ${position.id}::uuid)`;
  return sql`
    select ${columns}
    from audit.audit_trails t
    where ${matches(filter)} ${after ?? sql``}
    order by t."timestamp" desc, t.id desc
    limit ${limit}`;
}

export async function countTrails(db: Db, filter: TrailFilter): Promise<number> {
  const [row] = await rows<{ count: number }>(
    db,
    sql`select count(*)::float8 as count from audit.audit_trails t where ${matches(filter)}`,
  );
  return row?.count ?? 0;
}

const within = (projectIds: readonly string[] | null) =>
  projectIds === null ? sql`true` : inArray(sql`t.project_id`, [...projectIds]);

function matches(filter: TrailFilter): SQL | undefined {
  return and(
    within(filter.projectIds),
    liveProject,
    filter.model === undefined ? undefined : sql`t.model = ${filter.model}`,
    filter.status === undefined ? undefined : sql`t.status = ${filter.status}`,
    filter.from === undefined ? undefined : sql`t."timestamp" >= ${filter.from.toISOString()}::timestamptz`,
    filter.to === undefined ? undefined : sql`t."timestamp" < ${filter.to.toISOString()}::timestamptz`,
  );
}
