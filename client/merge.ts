import { AuditClientError } from "./errors.ts";
import { holdAmount, type StoredTrail, type WireTrail } from "./trail.ts";

const STEPS = ["placeholder", "failed", "complete"];

const isBehind = (status: string, old: StoredTrail) => STEPS.indexOf(status) < STEPS.indexOf(old.status);
const conflict = (message: string) => new AuditClientError("conflict", message);

/**
 * What is stored when a trail is written over another, by the service's own rules: a status never steps back. Throws for a
 * digest that would change.
 */
export function mergePut(old: StoredTrail | undefined, given: WireTrail): StoredTrail {
  const status = given.status ?? (holdAmount(given.tokens, given.cost) ? "complete" : "placeholder");
  if (old && isBehind(status, old)) return old;
  return merged({ reasoning: null, latencyMs: null, ...given, status }, old?.digests, given.digests);
}

/** What is stored when fields of a trail change; throws for a step back, and as mergePut. */
export function mergePatch(old: StoredTrail, update: Partial<WireTrail>): StoredTrail {
  const both = update.tokens !== undefined && update.cost !== undefined;
  const completes = old.status === "placeholder" && (both || holdAmount(update.tokens, update.cost));
  const status = update.status ?? (completes ? "complete" : old.status);
  if (isBehind(status, old)) throw conflict(`${old.status} cannot become ${status}.`);
  return merged({ ...old, ...update, status }, old.digests, update.digests);
}

function merged(trail: object, old: WireTrail["digests"], given: WireTrail["digests"]): StoredTrail {
  const { inputs: _, ...rest } = trail as StoredTrail & WireTrail;
  const digests = { ...old };
  for (const [name, digest] of Object.entries(given ?? {})) {
    if (digest === null) continue;
    if (digest !== (digests[name] ?? digest)) throw conflict("A digest cannot change.");
    digests[name] = digest;
  }
  return { ...rest, tokens: withTotal(rest.tokens, rest), cost: withTotal(rest.cost, rest), digests };
}

/** A placeholder's zeros are not amounts: a cost of 0 would say, once it is complete, that the message was free. */
function withTotal(group: WireTrail["tokens"], { status }: StoredTrail): StoredTrail["tokens"] {
  if (!group || (status === "placeholder" && !holdAmount(group))) return null;
  const { prompt, completion, total } = group as Record<string, number>;
  return { ...group, total: total ?? (prompt as number) + (completion as number) };
}
