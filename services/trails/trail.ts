import { z } from "zod";
import { isoTime, isoTimeOrNull } from "../../db/queries/rows.ts";
import { STEPS, type TrailRow, type TrailStatus } from "../../db/queries/trail-row.ts";
import type { TrailValues } from "../../db/queries/trail-values.ts";
import { jsonDigest } from "../../lib/canonical-json.ts";
import { invalidField } from "../errors.ts";
import { callerId, text, time } from "../inputs.ts";
import { cost, holdAmount, INTEGER_MAX, tokens } from "./amounts.ts";

export const TRAIL_BYTES_MAX = 1024 * 1024;
const REASONING_STEPS_MAX = 1_000;
const DIGEST_LENGTH_MAX = 200;
const TIMESTAMP_AHEAD_MAX_MS = 24 * 60 * 60 * 1_000;

export const trailStatus = z.enum(STEPS);

const count = z.int().min(0).max(INTEGER_MAX);
const digest = text(1, DIGEST_LENGTH_MAX).nullish();
const digestNames = ["prompt", "context", "policy"] as const;
const input = z.unknown().optional();

export const newTrail = z
  .strictObject({
    projectId: callerId.describe("Registered by its first trail, if the key may write to it."),
    messageId: callerId.optional().describe("The one in the path, if it is said again."),
    model: callerId,
    contextLayers: count,
    timestamp: time
      .refine(
        (at) => at.getUTCFullYear() >= 2000 && at.getTime() < Date.now() + TIMESTAMP_AHEAD_MAX_MS,
        "must be after 1999 and at most a day ahead: a trail is rolled up and cleaned up by this time",
      )
      .optional()
      .describe("When the message was; the server's time of the first write if left out."),
    reasoning: z.array(text(0, TRAIL_BYTES_MAX)).max(REASONING_STEPS_MAX).nullish(),
    tokens: tokens.nullish(),
    cost: cost.nullish().describe("Null: unpriced, which is not 0."),
    status: trailStatus
      .optional()
      .describe(
        "If left out: complete when tokens or cost hold an amount above 0, else placeholder. Of a placeholder, tokens of 0 are kept as null, and so is a cost of 0: they are not amounts.",
      ),
    latencyMs: count.nullish(),
    digests: z
      .strictObject({ prompt: digest, context: digest, policy: digest })
      .optional()
      .describe("Each can be set once, and neither changed nor cleared."),
    inputs: z
      .strictObject({ prompt: input, context: input, policy: input })
      .optional()
      .describe(
        "What the message was answered from, any JSON. It is not kept; its digest is: `sha256:` and the SHA-256 of its canonical form (RFC 8785) in hex.",
      ),
  })
  .meta({ id: "NewTrail" });
export type NewTrail = z.infer<typeof newTrail>;

/**
 * A trail with the status that it says or that follows from its amounts. A placeholder's zeros are not known amounts: as a
 * cost they would say, once it is complete, that the message was free.
 */
export function withStatus<T extends NewTrail>(trail: T): T & { status: TrailStatus } {
  const { tokens, cost } = trail;
  const status = trail.status ?? (holdAmount(tokens, cost) ? "complete" : "placeholder");
  if (status !== "placeholder") return { ...trail, status };
  return {
    ...trail,
    status,
    tokens: holdAmount(tokens) ? tokens : null,
    cost: holdAmount(cost) ? cost : null,
  };
}

const integer = z.int();
const integerOrNull = z.int().nullable();
const textOrNull = z.string().nullable();

export const trail = z
  .object({
    messageId: z.string(),
    projectId: z.string(),
    status: trailStatus,
    timestamp: z.string(),
    model: z.string(),
    reasoning: z.array(z.string()).nullable(),
    contextLayers: integer,
    tokens: z
      .object({
        prompt: integer,
        completion: integer,
        total: integer,
        cached: integerOrNull,
        reasoning: integerOrNull,
      })
      .nullable(),
    cost: z.object({ prompt: z.number(), completion: z.number(), total: z.number() }).nullable(),
    latencyMs: integerOrNull,
    digests: z.object({ prompt: textOrNull, context: textOrNull, policy: textOrNull }),
    createdAt: z.string(),
    updatedAt: z.string(),
    completedAt: textOrNull.describe("When it took the status that it has; null for a placeholder."),
    importedAt: textOrNull.describe("When an import brought it, from when its retention counts; else null."),
  })
  .meta({ id: "Trail" });
export type Trail = z.infer<typeof trail>;

/** What a writer of trails needs to know: the rest it has sent itself. */
export const trailState = trail.pick({ messageId: true, status: true }).meta({ id: "TrailState" });

/** An id that the body says once more must be the one that the request is about. */
export function requireSame(
  field: string,
  inBody: string | undefined,
  meant: string | undefined,
  message = "must be the one that the path or query names, or be left out",
): void {
  if (inBody === undefined || inBody === meant) return;
  throw invalidField(`body.${field}`, "mismatch", message);
}

/** The digests that an input gives, or that follow from what it gives. Throws a 400 where the two differ. */
function toDigests({ digests, inputs }: Pick<NewTrail, "digests" | "inputs">): NewTrail["digests"] {
  if (!inputs) return digests;
  const found = digestNames.map((name) => {
    const given = digests?.[name];
    const content = inputs[name] ?? null;
    if (content === null) return [name, given];
    const computed = jsonDigest(content);
    requireSame(
      `digests.${name}`,
      given ?? undefined,
      computed,
      "must be the digest of inputs, or be left out",
    );
    return [name, computed];
  });
  return Object.fromEntries(found) as NewTrail["digests"];
}

/** The columns that an input names; of a group that is null, all are. */
export function toValues(input: Partial<NewTrail>): TrailValues {
  const { tokens, cost } = input;
  const digests = toDigests(input);
  return {
    status: input.status,
    timestamp: input.timestamp,
    model: input.model,
    reasoning: input.reasoning,
    context_layers: input.contextLayers,
    latency_ms: input.latencyMs,
    // A digest stays: null is as good as left out.
    prompt_digest: digests?.prompt ?? undefined,
    context_digest: digests?.context ?? undefined,
    policy_digest: digests?.policy ?? undefined,
    ...(tokens === undefined
      ? {}
      : {
          prompt_tokens: tokens?.prompt ?? null,
          completion_tokens: tokens?.completion ?? null,
          total_tokens: tokens?.total ?? null,
          cached_tokens: tokens?.cached ?? null,
          reasoning_tokens: tokens?.reasoning ?? null,
        }),
    ...(cost === undefined
      ? {}
      : {
          prompt_cost: cost?.prompt ?? null,
          completion_cost: cost?.completion ?? null,
          total_cost: cost?.total ?? null,
        }),
  };
}

export function toTrail(row: TrailRow): Trail {
  const { promptTokens, completionTokens, totalTokens, promptCost, completionCost, totalCost } = row;
  const hasTokens = promptTokens !== null && completionTokens !== null && totalTokens !== null;
  const hasCost = promptCost !== null && completionCost !== null && totalCost !== null;
  return {
    messageId: row.messageId,
    projectId: row.projectId,
    status: row.status,
    timestamp: isoTime(row.timestamp),
    model: row.model,
    reasoning: row.reasoning,
    contextLayers: row.contextLayers,
    tokens: hasTokens
      ? {
          prompt: promptTokens,
          completion: completionTokens,
          total: totalTokens,
          cached: row.cachedTokens,
          reasoning: row.reasoningTokens,
        }
      : null,
    cost: hasCost ? { prompt: promptCost, completion: completionCost, total: totalCost } : null,
    latencyMs: row.latencyMs,
    digests: { prompt: row.promptDigest, context: row.contextDigest, policy: row.policyDigest },
    createdAt: isoTime(row.createdAt),
    updatedAt: isoTime(row.updatedAt),
    completedAt: isoTimeOrNull(row.completedAt),
    importedAt: isoTimeOrNull(row.importedAt),
  };
}
