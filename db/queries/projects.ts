import { and, eq, isNull, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { auditDeletionLog, auditTrailRollup, auditTrails, projects } from "../schema/index.ts";
import { rows, sqlNow } from "./rows.ts";

export type ProjectRow = typeof projects.$inferSelect;
type Deletion = typeof auditDeletionLog.$inferInsert;

const live = (projectId: string) => and(eq(projects.projectId, projectId), isNull(projects.deletedAt));

/** A project that is not being deleted, or null. */
export async function findProject(db: Db, projectId: string): Promise<ProjectRow | null> {
  const [row] = await db.select().from(projects).where(live(projectId));
  return row ?? null;
}

/** As findProject, and holds off other changes of the project until the transaction ends; writers of trails pass. */
export async function lockProject(db: Db, projectId: string): Promise<ProjectRow | null> {
  const [row] = await db.select().from(projects).where(live(projectId)).for("no key update");
  return row ?? null;
}

/** Registers a project; null when it is registered already, or being deleted. */
export async function insertProject(
  db: Db,
  project: typeof projects.$inferInsert,
): Promise<ProjectRow | null> {
  const [row] = await db.insert(projects).values(project).onConflictDoNothing().returning();
  return row ?? null;
}

export async function setTrailRetention(db: Db, projectId: string, days: number): Promise<void> {
  await db.update(projects).set({ trailRetentionDays: days }).where(eq(projects.projectId, projectId));
}

interface ProjectCounts {
  trailCount: number;
  rollupBucketCount: number;
  isHeld: boolean;
  /** Trails that a hold keeps, on them or on their project. */
  heldTrailCount: number;
}

/** What there is of a project, and what of it legal holds keep from being deleted. */
export async function countOfProject(db: Db, projectId: string): Promise<ProjectCounts> {
  const holdsOn = (type: string, id: SQL) =>
    sql`exists (select from audit.deletion_stops(null, ${type}, ${id}, null, true))`;
  const [row] = await rows<ProjectCounts>(
    db,
    sql`
      select
        count(t.id)::int as "trailCount",
        (select count(*)::int from ${auditTrailRollup} b where b.project_id = ${projectId}) as "rollupBucketCount",
        p.is_held as "isHeld",
        count(t.id) filter (where p.is_held or ${holdsOn("trail", sql`t.message_id`)})::int as "heldTrailCount"
      from (select ${holdsOn("project", sql`${projectId}`)} as is_held) p
      left join ${auditTrails} t on t.project_id = ${projectId}
      group by p.is_held`,
  );
  return row as ProjectCounts;
}

export async function insertDeletion(db: Db, deletion: Deletion): Promise<void> {
  await db.insert(auditDeletionLog).values(deletion);
}

/** Hides a project and its trails at once; the worker sweeps them. */
export async function markProjectDeleted(db: Db, projectId: string): Promise<void> {
  await db.update(projects).set({ deletedAt: sqlNow }).where(live(projectId));
}
