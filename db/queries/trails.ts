import { and, inArray, sql, type SQL } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

/** How far a trail is; it goes up these steps, never down. */
export const STEPS = ["placeholder", "failed", "complete"] as const;
export type TrailStatus = (typeof STEPS)[number];

/** What a writer may set, with the type that it has in Postgres. */
const WRITABLE = {
  status: "text",
  timestamp: "timestamptz",
  model: "text",
  reasoning: "jsonb",
  context_layers: "int",
  prompt_tokens: "int",
  completion_tokens: "int",
  total_tokens: "int",
  cached_tokens: "int",
  reasoning_tokens: "int",
  prompt_cost: "numeric",
  completion_cost: "numeric",
  total_cost: "numeric",
  latency_ms: "int",
  prompt_digest: "text",
  context_digest: "text",
  policy_digest: "text",
} as const;
type Column = keyof typeof WRITABLE;
const COLUMNS = Object.keys(WRITABLE) as Column[];
/** Amounts that are known together or not at all. */
const GROUPS: readonly Column[][] = [
  ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"],
  ["prompt_cost", "completion_cost", "total_cost"],
];
const groupOf = (name: Column) => GROUPS.find((group) => group.includes(name));

/** Column values; what is absent or null is null, but a total then is the sum of its parts. */
export type TrailValues = { [Name in Column]?: unknown };

export interface TrailKey {
  projectId: string;
  messageId: string;
}

/** A trail as it is stored: times as Postgres' text in UTC (microseconds), money as the nearest double. */
export interface TrailRow extends TrailKey {
  id: string;
  status: TrailStatus;
  timestamp: string;
  model: string;
  reasoning: string[] | null;
  contextLayers: number;
  promptTokens: number | null;
  completionTokens: number | null;
  totalTokens: number | null;
  cachedTokens: number | null;
  reasoningTokens: number | null;
  promptCost: number | null;
  completionCost: number | null;
  totalCost: number | null;
  latencyMs: number | null;
  promptDigest: string | null;
  contextDigest: string | null;
  policyDigest: string | null;
  createdAt: string;
  updatedAt: string;
  completedAt: string | null;
  importedAt: string | null;
}

const utc = (column: string) => `(t.${column} at time zone 'UTC')::text || '+00'`;

/** A trail without its reasoning, which may have a mebibyte. */
export type BriefTrailRow = Omit<TrailRow, "reasoning">;

const brief = sql.raw(`
  t.project_id as "projectId", t.message_id as "messageId", t.id, t.status, ${utc("timestamp")} as "timestamp",
  t.model, t.context_layers as "contextLayers", t.prompt_tokens as "promptTokens",
  t.completion_tokens as "completionTokens", t.total_tokens as "totalTokens", t.cached_tokens as "cachedTokens",
  t.reasoning_tokens as "reasoningTokens", t.prompt_cost::float8 as "promptCost",
  t.completion_cost::float8 as "completionCost", t.total_cost::float8 as "totalCost", t.latency_ms as "latencyMs",
  t.prompt_digest as "promptDigest", t.context_digest as "contextDigest", t.policy_digest as "policyDigest",
  ${utc("created_at")} as "createdAt", ${utc("updated_at")} as "updatedAt", ${utc("completed_at")} as "completedAt",
  ${utc("imported_at")} as "importedAt"`);
export const stored = sql`${brief}, t.reasoning`;

// Money goes in as JSON's own digits and is added as numeric, so that 0.0003 + 0.00075 is 0.00105.
const SUMS: Partial<Record<Column, string>> = {
  total_tokens: "coalesce(r.total_tokens, r.prompt_tokens + r.completion_tokens)",
  total_cost: "coalesce(r.total_cost, r.prompt_cost + r.completion_cost)",
};
export const recordType = sql.raw(COLUMNS.map((name) => `"${name}" ${WRITABLE[name]}`).join(", "));
export const resolved = sql.raw(
  COLUMNS.map((name) => `${SUMS[name] ?? `r."${name}"`} as "${name}"`).join(", "),
);
const given = (values: TrailValues) => sql`
  select ${resolved}
  from jsonb_to_record(${JSON.stringify(values)}::jsonb) as r(${recordType})`;

const STEPS_ARRAY = `array[${STEPS.map((step) => `'${step}'`).join(", ")}]`;
/** Whether one status is an earlier step than another; both are SQL expressions. */
export const isBehind = (status: string, other: string) =>
  sql.raw(`array_position(${STEPS_ARRAY}, ${status}) < array_position(${STEPS_ARRAY}, ${other})`);

export const liveProject = sql`
  exists (select from audit.projects p where p.project_id = t.project_id and p.deleted_at is null)`;

const REPLACED = COLUMNS.filter((name) => name !== "timestamp");
export const replaced = sql.raw(REPLACED.join(", "));
export const of = (alias: string) => sql.raw(REPLACED.map((name) => `${alias}.${name}`).join(", "));
// A digest stays when it is left out; the trigger on the table refuses another one.
const PINNED: readonly Column[] = ["prompt_digest", "context_digest", "policy_digest"];
const replacement = (name: Column) =>
  PINNED.includes(name) ? `coalesce(excluded.${name}, t.${name})` : `excluded.${name}`;
export const replacing = sql.raw(REPLACED.map(replacement).join(", "));
export const replacements = sql.raw(REPLACED.map((name) => `${name} = ${replacement(name)}`).join(", "));

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
      case when g.status <> 'placeholder' then g.now end, coalesce(g."timestamp", g.now), ${of("g")}
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
      and (${of("t")}, t."timestamp")
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
export interface TrailPosition {
  timestamp: string;
  id: string;
}

/** Trails newest first; `limit` rows at most, after `position`. */
export async function listTrails(
  db: Db,
  filter: TrailFilter,
  limit: number,
  position: TrailPosition | null,
): Promise<TrailRow[]> {
  return rows<TrailRow>(db, newest(stored, filter, limit, position));
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
