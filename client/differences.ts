import type { StoredTrail } from "./trail.ts";

export interface FieldDifference {
  field: string;
  one: unknown;
  other: unknown;
}

type Group = Record<string, unknown> | null | undefined;

/** The service adds money exactly, a sum in floating point is off by less than this share. */
const COST_PRECISION = 1e-9;

/**
 * In which fields of `one` another trail differs; what is left out counts as null. Of the digests those are compared that
 * `one` has: the service makes digests from inputs, too.
 */
export function differences(one: StoredTrail, other: StoredTrail): FieldDifference[] {
  const found: FieldDifference[] = [];
  const compare = (field: string, a: unknown = null, b: unknown = null) => {
    if (!isSame(a, b)) found.push({ field, one: a, other: b });
  };
  for (const [field, a] of Object.entries(one)) {
    const b: unknown = other[field as keyof StoredTrail];
    if (!["tokens", "cost", "digests"].includes(field)) compare(field, a, b);
    else
      for (const name in { ...(field === "digests" ? {} : (b as Group)), ...(a as Group) })
        compare(`${field}.${name}`, (a as Group)?.[name], (b as Group)?.[name]);
  }
  return found;
}

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) <= COST_PRECISION * Math.abs(a);
  return JSON.stringify(a) === JSON.stringify(b);
}
