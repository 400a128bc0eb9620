import { and, desc, eq, inArray, isNull, or, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { auditDeletionLog as d, legalHolds as h } from "../schema/index.ts";
import type { HoldRow } from "./holds.ts";
import { rows } from "./rows.ts";
import type { TrailKey } from "./trails.ts";

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

/** A record under the names that it goes by: what callers call it, and its table. */
export interface NamedRecord {
  types: readonly string[];
  id: string;
}

/**
 * Holds, released ones too, on a record, on all of its type, or on everything of one of `heldWorkspaces`; within
 * `workspaceIds` (null: any). `limit` at most, the newest first.
 */
export async function holdsOn(
  db: Db,
  { types, id }: NamedRecord,
  {
    workspaceIds,
    heldWorkspaces,
  }: { workspaceIds: readonly string[] | null; heldWorkspaces: readonly string[] },
  limit: number,
): Promise<HoldRow[]> {
  const onRecord = and(inArray(h.resourceType, [...types]), or(isNull(h.resourceId), eq(h.resourceId, id)));
  const onWorkspace =
    heldWorkspaces.length > 0
      ? and(isNull(h.resourceType), isNull(h.subjectUserId), inArray(h.workspaceId, [...heldWorkspaces]))
      : undefined;
  const isSeen = workspaceIds === null ? undefined : inArray(h.workspaceId, [...workspaceIds]);
  return db
    .select()
    .from(h)
    .where(and(or(onRecord, onWorkspace), isSeen))
    .orderBy(desc(h.id))
    .limit(limit);
}

export type DeletionRow = typeof d.$inferSelect;

/** Entries of the deletion log about a record, the newest first, `limit` at most. */
export async function deletionsOf(db: Db, { types, id }: NamedRecord, limit: number): Promise<DeletionRow[]> {
  return db
    .select()
    .from(d)
    .where(and(eq(d.subjectId, id), inArray(d.subjectType, [...types])))
    .orderBy(desc(d.id))
    .limit(limit);
}
