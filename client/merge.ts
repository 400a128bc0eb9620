import { AuditClientError } from "./errors.ts";
import { holdAmount, type StoredTrail, type WireTrail } from "./trail.ts";

const STEPS = ["placeholder", "failed", "complete"];

const conflict = (message: string) => new AuditClientError("conflict", message);

/**
 * What is stored when a trail is written over another, by the service's own rules: a status never steps back. Throws for a
 * digest that would change.
 */
export function mergePut(old: StoredTrail | undefined, given: WireTrail): StoredTrail {
  const status = given.status ?? (holdAmount(given.tokens, given.cost) ? "complete" : "placeholder");
  if (old && STEPS.indexOf(status) < STEPS.indexOf(old.status)) return old;
  return merged({ reasoning: null, latencyMs: null, ...given, status }, old?.digests, given.digests);
}

/** What is stored when fields of a trail change; throws for a step back to placeholder, and as mergePut. */
export function mergePatch(old: StoredTrail, update: Partial<WireTrail>): StoredTrail {
  const both = update.tokens !== undefined && update.cost !== undefined;
  const completes = old.status === "placeholder" && (both || holdAmount(update.tokens, update.cost));
  const status = update.status ?? (completes ? "complete" : old.status);
  if (status === "placeholder" && old.status !== "placeholder")
    throw conflict(`A ${old.status} trail cannot become a placeholder.`);
  return merged({ ...old, ...update, status }, old.digests, update.digests);
}

function merged(trail: object, old: WireTrail["digests"], given: WireTrail["digests"]): StoredTrail {
  const { tokens, cost, inputs: _, ...rest } = trail as StoredTrail & WireTrail;
  const digests = { ...old };
  for (const [name, digest] of Object.entries(given ?? {})) {
    if (digest === null) continue;
    if (digest !== (digests[name] ?? digest)) throw conflict(`The ${name} digest cannot change.`);
    digests[name] = digest;
  }
  return { ...rest, tokens: withTotal(tokens), cost: withTotal(cost), digests };
}

function withTotal(group: WireTrail["tokens"]): StoredTrail["tokens"] {
  if (!group) return null;
  const { prompt, completion, total } = group as Record<string, number>;
  return { ...group, total: total ?? (prompt as number) + (completion as number) };
}
