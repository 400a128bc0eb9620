import type { StoredTrail } from "./trail.ts";

export interface FieldDifference {
  field: string;
  one: unknown;
  other: unknown;
}

const FIELDS = [
  "projectId",
  "timestamp",
  "status",
  "model",
  "contextLayers",
  "reasoning",
  "latencyMs",
] as const;
const GROUPS = {
  tokens: ["prompt", "completion", "total", "cached", "reasoning"],
  cost: ["prompt", "completion", "total"],
  digests: ["prompt", "context", "policy"],
} as const;
/** The service adds money exactly, a sum in floating point is off by less than this share. */
const COST_PRECISION = 1e-9;

/** In which fields two stored trails differ, field by field; what is left out counts as null. */
export function differences(one: StoredTrail, other: StoredTrail): FieldDifference[] {
  const found: FieldDifference[] = [];
  const compare = (field: string, a: unknown = null, b: unknown = null) => {
    if (!isSame(a, b)) found.push({ field, one: a, other: b });
  };
  for (const field of FIELDS) compare(field, one[field], other[field]);
  for (const [group, names] of Object.entries(GROUPS) as [keyof typeof GROUPS, readonly string[]][]) {
    for (const name of names) compare(`${group}.${name}`, one[group]?.[name], other[group]?.[name]);
  }
  return found;
}

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number")
    return Math.abs(a - b) <= COST_PRECISION * Math.max(Math.abs(a), Math.abs(b));
  return JSON.stringify(a) === JSON.stringify(b);
}
