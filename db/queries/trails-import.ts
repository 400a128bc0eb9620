import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";
import { liveProject, stored, type TrailKey, type TrailRow, type TrailStatus } from "./trail-row.ts";
import {
  isBehind,
  recordType,
  replaced,
  replacedOf,
  replacements,
  replacing,
  resolved,
  type TrailValues,
} from "./trail-values.ts";

type ImportOutcome = "stored" | "updated" | "present" | "project deleted";

interface ImportedTrail extends TrailValues {
  project_id: string;
  message_id: string;
  status: TrailStatus;
}

/**
 * Stores trails of the past in one statement and registers their projects; answers what became of each, in their order.
 * Unlike a write of the application it replaces only a trail of a lower status (placeholder, failed, complete), or of the
 * same one that an import brought and nobody wrote to since. No two of `trails` may have the same project and message.
 * Postgres answers `trail_digests_pinned` for a digest that is another than the stored one.
 */
export async function importTrails(
  db: Db,
  trails: readonly ImportedTrail[],
  userId: string,
): Promise<ImportOutcome[]> {
  const placed = trails.map((trail, place) => ({ place, ...trail }));
  const outcomes = await rows<{ outcome: ImportOutcome }>(
    db,
    sql`
    with given as materialized (
      select r.place, r.project_id, r.message_id, audit.uuid_v7() as id, clock_timestamp() as now, ${resolved}
      from jsonb_to_recordset(${JSON.stringify(placed)}::jsonb)
        as r(place int, project_id text, message_id text, ${recordType})
    ),
    registered as (
      insert into audit.projects (project_id, created_by_user_id)
      select distinct g.project_id, ${userId}::text
      from given g
      order by g.project_id
      on conflict (project_id) do nothing
    ),
    deleted as materialized (
      select p.project_id from audit.projects p where p.deleted_at is not null
    ),
    written as (
      insert into audit.audit_trails as t (
        project_id, message_id, id, created_at, updated_at, completed_at, imported_at, "timestamp", ${replaced}
      )
      select
        g.project_id, g.message_id, g.id, g.now, g.now, case when g.status <> 'placeholder' then g.now end, g.now,
        g."timestamp", ${replacedOf("g")}
      from given g
      where g.project_id not in (select d.project_id from deleted d)
      order by g.project_id, g.message_id
      on conflict (project_id, message_id) do update set
        ${replacements},
        "timestamp" = excluded."timestamp",
        updated_at = excluded.updated_at,
        completed_at = excluded.completed_at,
        imported_at = excluded.imported_at,
        rollup_due = true
      where ${isBehind("t.status", "excluded.status")}
        or (
          excluded.status = t.status
          and t.updated_at = t.imported_at
          and (${replacedOf("t")}, t."timestamp") is distinct from (${replacing}, excluded."timestamp")
        )
      returning t.project_id, t.message_id, t.id
    )
    select
      case
        when w.id = g.id then 'stored'
        when w.id is not null then 'updated'
        when d.project_id is not null then 'project deleted'
        else 'present'
      end as outcome
    from given g
    left join written w on w.project_id = g.project_id and w.message_id = g.message_id
    left join deleted d on d.project_id = g.project_id
    order by g.place`,
  );
  return outcomes.map(({ outcome }) => outcome);
}

/** The trails with these keys, in no order; none of a deleted project. */
export async function findTrailsByKeys(db: Db, keys: readonly TrailKey[]): Promise<TrailRow[]> {
  return rows<TrailRow>(
    db,
    sql`
    select ${stored}
    from jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) as k("projectId" text, "messageId" text)
    join audit.audit_trails t on t.project_id = k."projectId" and t.message_id = k."messageId"
    where ${liveProject}`,
  );
}
