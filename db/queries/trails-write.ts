import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";
import { liveProject, stored, type TrailKey, type TrailRow, type TrailStatus } from "./trail-row.ts";
import {
  COLUMNS,
  given,
  groupOf,
  isBehind,
  replaced,
  replacedOf,
  replacements,
  replacing,
  type Column,
  type TrailValues,
} from "./trail-values.ts";

/**
 * Stores a trail and registers its project, in one statement, so that racing writers leave one row: a status never
 * steps back (placeholder, failed, complete), the last one wins among equals, and what changes nothing writes nothing.
 * Null when it wrote nothing: the project is being deleted, or what is stored stands. Postgres answers
 * `trail_digests_pinned` for a digest that is another than the stored one.
 */
export async function upsertTrail(
  db: Db,
  key: TrailKey,
  values: TrailValues & { status: TrailStatus },
  userId: string,
): Promise<(TrailRow & { created: boolean }) | null> {
  const [row] = await rows<TrailRow & { created: boolean }>(
    db,
    sql`
    with given as materialized (
      select audit.uuid_v7() as id, clock_timestamp() as now, v.*
      from (${given(values)}) v
    ),
    registered as (
      insert into audit.projects (project_id, created_by_user_id)
      values (${key.projectId}, ${userId})
      on conflict (project_id) do nothing
    )
    insert into audit.audit_trails as t (
      project_id, message_id, id, created_at, updated_at, completed_at, "timestamp", ${replaced}
    )
    select
      ${key.projectId}::text, ${key.messageId}::text, g.id, g.now, g.now,
      case when g.status <> 'placeholder' then g.now end, coalesce(g."timestamp", g.now), ${replacedOf("g")}
    from given g
    where not exists (
      select from audit.projects p where p.project_id = ${key.projectId} and p.deleted_at is not null
    )
    on conflict (project_id, message_id) do update set
      ${replacements},
      "timestamp" = coalesce((select g."timestamp" from given g), t."timestamp"),
      updated_at = clock_timestamp(),
      completed_at = case when t.status = excluded.status then t.completed_at else clock_timestamp() end,
      rollup_due = true
    where not ${isBehind("excluded.status", "t.status")}
      and (${replacedOf("t")}, t."timestamp")
        is distinct from (${replacing}, coalesce((select g."timestamp" from given g), t."timestamp"))
    returning ${stored}, t.id = (select g.id from given g) as created`,
  );
  return row ?? null;
}

/**
 * Changes the named columns of a trail. `completes` makes a placeholder complete when no status is among them. A
 * placeholder's zeros are not known amounts, and end as null. Null when it wrote nothing: there is no such trail, it is so
 * already, or its status would step back. Postgres answers `trail_digests_pinned` for a digest that would change.
 */
export async function updateTrail(
  db: Db,
  key: TrailKey,
  values: TrailValues,
  completes: boolean,
): Promise<TrailRow | null> {
  const result = `coalesce(g.status, case when ${completes} and t.status = 'placeholder' then 'complete' else t.status end)`;
  const status = sql.raw(result);
  const isNamed = (name: Column) => values[name] !== undefined;
  const changed = COLUMNS.filter((name) => name !== "status" && (isNamed(name) || groupOf(name)));
  const value = (name: Column) => {
    const [row, itsStatus] = isNamed(name) ? ["g", result] : ["t", "t.status"];
    const group = groupOf(name)?.map((one) => `${row}.${one}`);
    if (!group) return `${row}."${name}"`;
    return `case when ${itsStatus} = 'placeholder' and greatest(${group.join(", ")}) = 0 then null else ${row}."${name}" end`;
  };
  const each = (write: (name: Column) => string) =>
    sql.raw(changed.map((name) => `, ${write(name)}`).join(""));
  const [row] = await rows<TrailRow>(
    db,
    sql`
    update audit.audit_trails t
    set status = ${status},
        completed_at = case when ${status} = t.status then t.completed_at else clock_timestamp() end,
        updated_at = clock_timestamp(),
        rollup_due = true
        ${each((name) => `"${name}" = ${value(name)}`)}
    from (${given(values)}) g
    where t.project_id = ${key.projectId}
      and t.message_id = ${key.messageId}
      and ${liveProject}
      and not ${isBehind(result, "t.status")}
      and row(t.status ${each((name) => `t."${name}"`)})
        is distinct from row(${status} ${each(value)})
    returning ${stored}`,
  );
  return row ?? null;
}
