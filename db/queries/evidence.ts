import { and, desc, eq, inArray, isNotNull, isNull, or, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { auditDeletionLog as d, legalHolds as h } from "../schema/index.ts";
import type { HoldRow } from "./holds.ts";
import { rows } from "./rows.ts";
import type { TrailKey } from "./trail-row.ts";

/** What the roll-up holds of a trail. */
export interface CountedTrail {
  /** The first moment of its 15 minutes, Postgres' text. */
  bucketStart: string;
  model: string;
  totalTokens: number;
  totalCost: number;
  /** Whether the trail has not changed since. */
  isCurrent: boolean;
}

/** Where a trail is counted, or null while it is not. */
export async function findCounted(db: Db, { projectId, messageId }: TrailKey): Promise<CountedTrail | null> {
  const [row] = await rows<CountedTrail>(
    db,
    sql`
    select
      (t.counted ->> 'bucket_start')::timestamptz::text as "bucketStart", t.counted ->> 'model' as model,
      (t.counted ->> 'total_tokens')::float8 as "totalTokens", (t.counted ->> 'total_cost')::float8 as "totalCost",
      not t.rollup_due as "isCurrent"
    from audit.audit_trails t
    where t.project_id = ${projectId} and t.message_id = ${messageId} and t.counted is not null`,
  );
  return row ?? null;
}

/** What holds and the deletion log call a record. */
export interface RecordName {
  type: string;
  id: string;
}

export interface HeldRecord extends RecordName {
  /** Those in which it is; null where nobody knows, as of a trail, a project or a row. */
  workspaceIds: readonly string[] | null;
  /** Those whose doing it is. */
  userIds: readonly string[];
}

/**
 * Holds, released ones too, that keep one of these records from being deleted, or name it; of those that `workspaceIds`
 * name (null: any, and those that name none). `limit` at most, the newest first.
 */
export async function holdsOn(
  db: Db,
  records: readonly HeldRecord[],
  workspaceIds: readonly string[] | null,
  limit: number,
): Promise<HoldRow[]> {
  // As audit.deletion_stops() asks: where the workspace is not known, a hold that names the type fits in whichever it names.
  const isOn = (record: HeldRecord) =>
    and(
      or(isNull(h.resourceType), eq(h.resourceType, record.type)),
      or(isNull(h.resourceId), eq(h.resourceId, record.id)),
      or(isNull(h.subjectUserId), inArray(h.subjectUserId, [record.id, ...record.userIds])),
      or(
        isNull(h.workspaceId),
        record.workspaceIds === null
          ? isNotNull(h.resourceType)
          : or(isNotNull(h.resourceId), inArray(h.workspaceId, [...record.workspaceIds])),
      ),
    );
  const isSeen = workspaceIds === null ? undefined : inArray(h.workspaceId, [...workspaceIds]);
  return db
    .select()
    .from(h)
    .where(and(or(...records.map(isOn)), isSeen))
    .orderBy(desc(h.id))
    .limit(limit);
}

export type DeletionRow = typeof d.$inferSelect;

/** Entries of the deletion log about one of these, the newest first, `limit` at most. */
export async function deletionsOf(
  db: Db,
  names: readonly RecordName[],
  limit: number,
): Promise<DeletionRow[]> {
  return db
    .select()
    .from(d)
    .where(or(...names.map(({ type, id }) => and(eq(d.subjectId, id), eq(d.subjectType, type)))))
    .orderBy(desc(d.id))
    .limit(limit);
}
