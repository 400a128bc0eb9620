export interface LargestField {
  /** As errors name it: `body.inputs.prompt`. */
  path: string;
  /** Of its JSON in UTF-8. */
  bytes: number;
}

const LEVELS_MAX = 3;
const NAME_LENGTH_MAX = 60;

/**
 * The largest member of a JSON object, followed down through objects; null where there is none, or where the object would
 * have fewer than `maxBytes` without its white space.
 */
export function largestField(text: string, maxBytes: number): LargestField | null {
  try {
    const value: unknown = JSON.parse(text);
    return bytesOf(value) > maxBytes ? within(value, "body", LEVELS_MAX) : null;
  } catch {
    // No JSON, or nested too deep to be written again.
    return null;
  }
}

function within(value: unknown, path: string, levels: number): LargestField | null {
  if (levels === 0 || typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const members = Object.entries(value).map(([name, inner]) => ({ name, inner, bytes: bytesOf(inner) }));
  const [largest] = members.toSorted((a, b) => b.bytes - a.bytes);
  if (!largest || largest.name.length > NAME_LENGTH_MAX) return null;
  const found = { path: `${path}.${largest.name}`, bytes: largest.bytes };
  return within(largest.inner, found.path, levels - 1) ?? found;
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
