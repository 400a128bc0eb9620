const MAX_DEPTH = 32;
/** Keys are the caller's and may be long; an answer that names them need not be. */
const PATH_LENGTH_MAX = 200;

export class JsonError extends Error {
  override name = "JsonError";
  readonly path: string;
  readonly code: string;

  constructor(path: string, code: string, message: string) {
    super(message);
    this.path = path.length > PATH_LENGTH_MAX ? `${path.slice(0, PATH_LENGTH_MAX)}…` : path;
    this.code = code;
  }
}

/**
 * Parses JSON that Postgres can store and give back as it was. Throws JsonError (with the path of the value) for
 * malformed text, NUL characters, lone surrogates, more than 32 levels, and integers that a double cannot hold exactly.
 * A fraction is read as the nearest double; send one with more than 15 digits as a string.
 */
export function parseStorableJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new JsonError("", "malformed_json", "The body is not valid JSON.");
  }
  check(value, "", 0);
  return value;
}

function check(value: unknown, path: string, depth: number): void {
  if (typeof value === "string") return checkText(value, path);
  if (typeof value === "number") return checkNumber(value, path);
  if (value === null || typeof value !== "object") return;
  if (depth === MAX_DEPTH) {
    throw new JsonError(path, "too_deep", `Values may be nested ${MAX_DEPTH} levels deep at most.`);
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) check(value[i], `${path}[${i}]`, depth + 1);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    checkText(key, path);
    check(inner, path === "" ? key : `${path}.${key}`, depth + 1);
  }
}

function checkText(text: string, path: string): void {
  if (text.includes("\0")) {
    throw new JsonError(
      path,
      "nul_character",
      "Text must not hold the NUL character; Postgres cannot store it.",
    );
  }
  if (!text.isWellFormed()) {
    throw new JsonError(
      path,
      "lone_surrogate",
      "Text holds half of a surrogate pair; send well-formed Unicode.",
    );
  }
}

function checkNumber(value: number, path: string): void {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new JsonError(
      path,
      "inexact_number",
      "This number would not be stored exactly; send it as a string.",
    );
  }
}
