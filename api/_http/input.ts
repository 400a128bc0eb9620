import { createHash } from "node:crypto";
import { z } from "zod";
import { checkInput } from "../../lib/input-faults.ts";
import { invalidField, ServiceError } from "../../services/errors.ts";
import type { IdempotentRequest } from "../../services/requests/run-idempotent.ts";
import type { AppContext } from "./app.ts";
import { readJsonBody, refuseBody } from "./body.ts";

const SMALL_BODY_BYTES = 64 * 1024;
const PATH_LENGTH_MAX = 200;
/** Made once: a schema compiles its parser when it is first used. */
const NO_QUERY = z.strictObject({});
// RFC 7240: of a preference that is given twice, the first counts.
const RETURN_PREFERENCE = /(?:^|,)\s*return\s*=\s*"?([a-z]+)/i;
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,200}$/;

interface InputSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  method: string;
  params?: P;
  query?: Q;
  body?: B;
  maxBodyBytes?: number;
  explainedBodyBytes?: number;
}

/** Everything that a request says, checked; throws a 4xx that names each wrong field. */
export async function readInput<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  c: AppContext,
  spec: InputSpec<P, Q, B>,
) {
  const params = parse(spec.params, pathValues(c), "path") as z.output<P>;
  const query = parse(spec.query ?? NO_QUERY, queryValues(c), "query") as z.output<Q>;
  const key = spec.method === "get" ? undefined : idempotencyKey(c);
  const { maxBodyBytes = SMALL_BODY_BYTES, explainedBodyBytes } = spec;
  const read = spec.body ? await readJsonBody(c.req.raw, maxBodyBytes, explainedBodyBytes) : null;
  if (!spec.body && spec.method !== "get") await refuseBody(c.req.raw);
  const body = parse(spec.body, read?.value, "body") as z.output<B>;
  const idempotent: IdempotentRequest | null =
    key === undefined ? null : { key, hash: hashOf(c, spec.method, read?.text ?? "") };
  const preference = RETURN_PREFERENCE.exec(c.req.header("prefer") ?? "")?.[1];
  return { params, query, body, idempotent, prefersMinimal: preference === "minimal" };
}

function parse(schema: z.ZodType | undefined, value: unknown, place: string): unknown {
  if (!schema) return {};
  const { data, faults } = checkInput(schema, value);
  if (!faults) return data;
  const errors = faults.map((one) => ({ ...one, path: fieldPath(place, one.path) }));
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  throw new ServiceError("invalid_request", `${first?.path}: ${first?.message}${more}`, { errors });
}

function fieldPath(place: string, path: PropertyKey[]): string {
  const whole = path.reduce<string>(
    (all, part) => all + (typeof part === "number" ? `[${part}]` : `.${String(part)}`),
    place,
  );
  return whole.length > PATH_LENGTH_MAX ? `${whole.slice(0, PATH_LENGTH_MAX)}…` : whole;
}

// Bytes that are no UTF-8 would otherwise reach us as the percent signs that the caller did not mean.
function pathValues(c: AppContext): Record<string, string> {
  decode(new URL(c.req.url).pathname, "path");
  const values = c.req.param() as Record<string, string>;
  for (const [name, value] of Object.entries(values)) requireStorable(value, `path.${name}`);
  return values;
}

function queryValues(c: AppContext): Record<string, string> {
  const values = new Map<string, string>();
  for (const part of new URL(c.req.url).search.slice(1).split("&")) {
    if (part === "") continue;
    const [name = "", ...rest] = part.split("=").map((text) => decode(text.replaceAll("+", " "), "query"));
    const path = fieldPath("query", [name]);
    if (values.has(name)) throw invalidField(path, "repeated", "Give this parameter once.");
    const value = rest.join("=");
    requireStorable(value, path);
    values.set(name, value);
  }
  return Object.fromEntries(values);
}

function decode(text: string, path: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidField(path, "malformed_utf8", "This is not percent-encoded UTF-8.");
  }
}

function requireStorable(text: string, path: string): void {
  if (text.includes("\0")) throw invalidField(path, "nul_character", "Text must not hold the NUL character.");
}

function idempotencyKey(c: AppContext): string | undefined {
  const key = c.req.header("idempotency-key");
  if (key === undefined || IDEMPOTENCY_KEY.test(key)) return key;
  throw invalidField(
    "header.Idempotency-Key",
    "malformed",
    "Use 1 to 200 printable ASCII characters without spaces.",
  );
}

function hashOf(c: AppContext, method: string, body: string): Uint8Array {
  const { pathname, search } = new URL(c.req.url);
  return createHash("sha256").update(`${method} ${pathname}${search}\n${body}`).digest();
}
