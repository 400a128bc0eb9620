import { createHash } from "node:crypto";
import type { z } from "zod";
import { largestField } from "../../api/_http/largest-field.ts";
import { checkInput } from "../../lib/input-faults.ts";
import { JsonError, parseStorableJson } from "../../lib/json.ts";
import { pastEvent } from "../../services/events/import.ts";
import { pastTrail, type PastTrail } from "../../services/trails/import.ts";
import { TRAIL_BYTES_MAX } from "../../services/trails/trail.ts";
import type { Line } from "./lines.ts";

const HASH_DIGITS = 32;
/** What a store writes beside a trail that it was given: its project, status, totals and digests. */
const ADDED_BYTES_MAX = 4 * 1024;

export type Fields = Record<string, unknown>;

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

/** The text of a line that has one; else throws a LineError. */
export function textOf({ text, fault }: Line): string {
  if (text === null) throw new LineError(fault ?? "");
  return text;
}

/** A trail as an application's memory, or another table, holds it. Throws a LineError. */
export function toTrail(line: Fields, projectId: string | undefined): PastTrail {
  const { tokens, cost, ...rest } = without(filled(line), MADE_HERE);
  const trail = {
    ...(projectId === undefined ? {} : { projectId }),
    ...rest,
    tokens: orNull(tokens),
    cost: orNull(cost),
  };
  checkSize(trail);
  return check(pastTrail, trail);
}

/**
 * An event of another log: its `createdAt` becomes `occurredAt`, its `id` the `eventId`; without an id its content is one,
 * so that two equal lines are one event. Throws a LineError.
 */
export function toEvent(text: string) {
  const line = filled(fields(text));
  const digest = createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);
  return check(pastEvent, {
    ...without(line, MADE_HERE_OF_EVENTS),
    occurredAt: line.occurredAt ?? line.createdAt,
    eventId: idOf(line.eventId ?? line.id ?? `import:${digest}`),
    resourceId: idOf(line.resourceId),
    workspaceId: idOf(line.workspaceId),
    createdByUserId: idOf(line.createdByUserId),
  });
}

/** A bigserial's number is an id as well. */
const idOf = (value: unknown) => (Number.isInteger(value) ? String(value) : value);

/** A line's JSON object; throws a LineError. */
export function fields(text: string): Fields {
  try {
    const value = parseStorableJson(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  } catch (error) {
    if (error instanceof JsonError && error.code !== "malformed_json")
      throw new LineError(`${error.path}: ${error.message}`, { cause: error });
  }
  throw new LineError("is no JSON object; one a line is wanted");
}

/** A column that holds null says as much as one that is not there. */
const filled = (line: Fields): Fields =>
  Object.fromEntries(Object.entries(line).filter(([, value]) => value !== null));

const without = (line: Fields, names: string[]): Fields =>
  Object.fromEntries(Object.entries(line).filter(([name]) => !names.includes(name)));

/** An empty object is what a JSON column holds where nothing is known. */
const orNull = (group: unknown) =>
  group === undefined || (typeof group === "object" && Object.keys(group ?? {}).length === 0) ? null : group;

function checkSize(trail: Fields): void {
  const text = JSON.stringify(trail);
  const bytes = Buffer.byteLength(text);
  if (bytes <= TRAIL_BYTES_MAX + ADDED_BYTES_MAX) return;
  const largest = largestField(text, TRAIL_BYTES_MAX);
  const most =
    largest && `; its largest field is ${largest.path.replace("body.", "")}, with ${largest.bytes}`;
  throw new LineError(`has ${bytes} bytes, and a trail may have ${TRAIL_BYTES_MAX}${most ?? ""}`);
}

function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const { data, faults } = checkInput(schema, value);
  if (!faults) return data;
  throw new LineError(
    faults.map(({ path, message }) => `${path.map(String).join(".") || "line"}: ${message}`).join("; "),
  );
}
