import { AuditClientError } from "./errors.ts";
import { holdAmount, type StoredTrail, type WireTrail } from "./trail.ts";

const STEPS = ["placeholder", "failed", "complete"];
const TOKEN_CLASSES = ["cached", "reasoning"];

/** What is stored when a trail is written over another, by the service's own rules: a status never steps back. */
export function mergePut(old: StoredTrail | undefined, given: WireTrail): StoredTrail {
  const status = given.status ?? (holdAmount(given.tokens, given.cost) ? "complete" : "placeholder");
  if (old && STEPS.indexOf(status) < STEPS.indexOf(old.status)) return old;
  return { reasoning: null, latencyMs: null, digests: {}, ...given, ...amounts(given), status };
}

/** What is stored when fields of a trail change; throws for a step back to placeholder. */
export function mergePatch(old: StoredTrail, update: Partial<WireTrail>): StoredTrail {
  const both = update.tokens !== undefined && update.cost !== undefined;
  const completes = old.status === "placeholder" && (both || holdAmount(update.tokens, update.cost));
  const status = update.status ?? (completes ? "complete" : old.status);
  if (status === "placeholder" && old.status !== "placeholder")
    throw new AuditClientError(
      "conflict",
      `This trail is ${old.status}; it cannot become a placeholder again.`,
    );
  const given = { ...old, ...update };
  return { ...given, ...amounts(given), status, digests: { ...old.digests, ...update.digests } };
}

function amounts({ tokens, cost }: Partial<WireTrail>): Pick<StoredTrail, "tokens" | "cost"> {
  return { tokens: withTotal(tokens, TOKEN_CLASSES), cost: withTotal(cost, []) };
}

function withTotal(group: WireTrail["tokens"], optional: string[]): StoredTrail["tokens"] {
  if (!group) return null;
  const { prompt, completion, total } = group;
  return {
    ...Object.fromEntries(optional.map((name) => [name, group[name] ?? null])),
    prompt: prompt as number,
    completion: completion as number,
    total: total ?? (prompt as number) + (completion as number),
  };
}
