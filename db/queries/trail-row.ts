import { sql } from "drizzle-orm";
import { timeText } from "./rows.ts";

/** How far a trail is; it goes up these steps, never down. */
export const STEPS = ["placeholder", "failed", "complete"] as const;
export type TrailStatus = (typeof STEPS)[number];

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

const utc = (column: string) => timeText(sql.raw(`t.${column}`));

/** A trail without its reasoning, which may have a mebibyte. */
export type BriefTrailRow = Omit<TrailRow, "reasoning">;

/** The columns of a BriefTrailRow, of `audit.audit_trails t`. */
export const brief = sql`
  t.project_id as "projectId", t.message_id as "messageId", t.id, t.status, ${utc("timestamp")} as "timestamp",
  t.model, t.context_layers as "contextLayers", t.prompt_tokens as "promptTokens",
  t.completion_tokens as "completionTokens", t.total_tokens as "totalTokens", t.cached_tokens as "cachedTokens",
  t.reasoning_tokens as "reasoningTokens", t.prompt_cost::float8 as "promptCost",
  t.completion_cost::float8 as "completionCost", t.total_cost::float8 as "totalCost", t.latency_ms as "latencyMs",
  t.prompt_digest as "promptDigest", t.context_digest as "contextDigest", t.policy_digest as "policyDigest",
  ${utc("created_at")} as "createdAt", ${utc("updated_at")} as "updatedAt", ${utc("completed_at")} as "completedAt",
  ${utc("imported_at")} as "importedAt"`;
/** The columns of a TrailRow. */
export const stored = sql`${brief}, t.reasoning`;

/** Whether the project of `t` is not deleted. */
export const liveProject = sql`
  exists (select from audit.projects p where p.project_id = t.project_id and p.deleted_at is null)`;
