import { createHash } from "node:crypto";
import type { z } from "zod";
import { JsonError, parseStorableJson } from "../../lib/json.ts";
import { pastEvent } from "../../services/events/import.ts";
import { pastTrail } from "../../services/trails/import.ts";

const HASH_DIGITS = 32;

type Fields = Record<string, unknown>;

/** Columns of other stores, and of our own answers, that are made anew here. */
const MADE_HERE = ["id", "createdAt", "updatedAt", "completedAt", "importedAt"];
const MADE_HERE_OF_EVENTS = [
  "id",
  "createdAt",
  "deletedAt",
  "deletedByUserId",
  "deletionReason",
  "archivedAt",
];

/** A line that cannot be imported, and why. */
export class LineError extends Error {
  override name = "LineError";
}

/** A trail as an application's memory, or another table, holds it. Throws a LineError. */
export function parseTrail(text: string, projectId: string | undefined) {
  const { tokens, cost, ...line } = fields(text);
  return check(pastTrail, {
    ...(projectId === undefined ? {} : { projectId }),
    ...without(line, MADE_HERE),
    tokens: orNull(tokens),
    cost: orNull(cost),
  });
}

/**
 * An event of another log: its `createdAt` becomes `occurredAt`, its `id` the `eventId`; without an id its content is one,
 * so that two equal lines are one event. Throws a LineError.
 */
export function parseEvent(text: string) {
  const line = fields(text);
  const digest = createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);
  const filled = Object.fromEntries(Object.entries(line).filter(([, value]) => value !== null));
  return check(pastEvent, {
    ...without(filled, MADE_HERE_OF_EVENTS),
    occurredAt: filled.occurredAt ?? filled.createdAt,
    eventId: filled.eventId ?? filled.id ?? `import:${digest}`,
  });
}

/** A line's JSON object; throws a LineError. */
export function fields(text: string): Fields {
  try {
    const value = parseStorableJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  } catch (error) {
    if (error instanceof JsonError && error.code !== "malformed_json")
      throw new LineError(`${error.path}: ${error.message}`, { cause: error });
  }
  throw new LineError("is no JSON object");
}

const without = (line: Fields, names: string[]) =>
  Object.fromEntries(Object.entries(line).filter(([name]) => !names.includes(name)));

/** An empty object is what a JSON column holds where nothing is known. */
const orNull = (group: unknown) =>
  group === undefined || (typeof group === "object" && Object.keys(group ?? {}).length === 0) ? null : group;

function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".") || "line"}: ${message}`);
  throw new LineError(faults.join("; "));
}
