import { createHash } from "node:crypto";
import { ServiceError } from "./errors.ts";

const CURSOR_LENGTH_MAX = 1_000;
const FILTER_HASH_CHARACTERS = 16;

/** Where the last page ended: the sort keys of its last row, as text. */
export type Position = string[];

const hashOf = (filters: unknown) =>
  createHash("sha256").update(JSON.stringify(filters)).digest("base64url").slice(0, FILTER_HASH_CHARACTERS);

/** An opaque cursor that works only with the filters it was made for. */
export function encodeCursor(position: Position, filters: unknown): string {
  return Buffer.from(JSON.stringify([hashOf(filters), ...position])).toString("base64url");
}

/**
 * The position in a cursor, or null without one. Throws `invalid_cursor` (400) when it was made for other filters,
 * has another number of keys than `shapes`, or a key does not have its shape.
 */
export function decodeCursor(
  cursor: string | undefined,
  filters: unknown,
  shapes: RegExp[],
): Position | null {
  if (cursor === undefined) return null;
  const parts = parse(cursor);
  if (parts === null) throw invalid("This cursor is not one of ours; start again without it.");
  const [hash, ...position] = parts;
  if (hash !== hashOf(filters)) {
    throw invalid(
      "This cursor belongs to other filters; repeat the request that gave it, or start again without it.",
    );
  }
  if (position.length !== shapes.length || !shapes.every((shape, i) => shape.test(position[i] as string))) {
    throw invalid("This cursor is not one of ours; start again without it.");
  }
  return position;
}

const invalid = (detail: string) => new ServiceError("invalid_cursor", detail);

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
/** Postgres' text for a timestamptz in UTC, with microseconds. */
export const TIME_SHAPE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$/;
