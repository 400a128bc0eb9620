import { createHash } from "node:crypto";

/**
 * JSON in its one canonical form (RFC 8785): no spaces, members in the order of their UTF-16 code units, numbers as
 * ECMAScript writes them. Takes what `parseStorableJson` gives.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value)
    // Unlike a comparison by locale, `<` compares code units.
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => `${JSON.stringify(name)}:${canonicalJson(inner)}`);
  return `{${members.join(",")}}`;
}

/** The SHA-256 of a value's canonical JSON in UTF-8: `sha256:` and 64 lower-case hex digits. */
export const jsonDigest = (value: unknown): string =>
  `sha256:${createHash("sha256").update(canonicalJson(value)).digest("hex")}`;
