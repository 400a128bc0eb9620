import { createHash } from "node:crypto";
import { ServiceError } from "./errors.ts";

const CURSOR_LENGTH_MAX = 1_000;
const FILTER_HASH_CHARACTERS = 16;

/** Where the last page ended: the sort keys of its last row, as text. */
type Position = string[];

const hashOf = (filters: unknown, position: Position) =>
  createHash("sha256")
    .update(JSON.stringify([filters, position]))
    .digest("base64url")
    .slice(0, FILTER_HASH_CHARACTERS);

/** An opaque cursor that works only with the filters it was made for; have them name the list, too. */
export function encodeCursor(position: Position, filters: unknown): string {
  return Buffer.from(JSON.stringify([hashOf(filters, position), ...position])).toString("base64url");
}

/** What a sort key must look like: a regular expression, or anything that tests as one does. */
interface Shape {
  test(text: string): boolean;
}

/**
 * The position in a cursor, or null without one. Throws `invalid_cursor` (400) when it was made for other filters,
 * was changed, has another number of keys than `shapes`, or a key does not have its shape.
 */
export function decodeCursor(cursor: string | undefined, filters: unknown, shapes: Shape[]): Position | null {
  if (cursor === undefined) return null;
  const parts = parse(cursor);
  if (parts === null) throw invalid("This cursor is not one of ours; start again without it.");
  const [hash, ...position] = parts;
  if (hash !== hashOf(filters, position)) {
    throw invalid(
      "This cursor belongs to other filters or was changed; repeat the request that gave it, or start again without it.",
    );
  }
  if (position.length !== shapes.length || !shapes.every((shape, i) => shape.test(position[i] as string))) {
    throw invalid("This cursor is not one of ours; start again without it.");
  }
  return position;
}

const invalid = (detail: string) =>
  new ServiceError("invalid_cursor", detail, {
    errors: [{ path: "query.cursor", code: "invalid_cursor", message: detail }],
  });

function parse(cursor: string): string[] | null {
  if (cursor.length > CURSOR_LENGTH_MAX) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return Array.isArray(value) && value.every((part) => typeof part === "string") ? value : null;
  } catch {
    return null;
  }
}

export const UUID_SHAPE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Postgres' text for a timestamptz in UTC, with microseconds, of a day that exists. */
export const TIME_SHAPE: Shape = {
  test: (text) => {
    const day = /^((?:19|2\d)\d\d-\d\d-\d\d) ([01]\d|2[0-3])(:[0-5]\d){2}(\.\d{1,6})?\+00$/.exec(text)?.[1];
    const time = Date.parse(`${day}T00:00:00Z`);
    return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 10) === day;
  },
};
