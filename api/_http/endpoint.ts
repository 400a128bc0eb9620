import { createHash } from "node:crypto";
import { z } from "zod";
import type { Context } from "../../services/context.ts";
import { requireScope } from "../../services/context.ts";
import { invalidField, ServiceError } from "../../services/errors.ts";
import type { Scope } from "../../services/keys/scopes.ts";
import { runIdempotent, type IdempotentRequest } from "../../services/requests/run-idempotent.ts";
import { rateLimitHeaders, type RateClass, type RateLimitResult } from "../../lib/rate-limit.ts";
import { safeError } from "../../lib/logger.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App, AppContext } from "./app.ts";
import { readJsonBody } from "./body.ts";
import { documentEndpoint } from "./openapi.ts";

const SMALL_BODY_BYTES = 64 * 1024;

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** What a replay of the idempotency key answers instead of `body`: without secrets. */
  keptBody?: unknown;
}

export interface Input<P, Q, B> {
  params: P;
  query: Q;
  body: B;
  /** Set when the request has an Idempotency-Key; only handlers with `idempotency: "own"` look at it. */
  idempotent: IdempotentRequest | null;
}

export interface Endpoint<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** As OpenAPI writes it: `/audit/events/{id}`. */
  path: string;
  tag: string;
  summary: string;
  description?: string;
  scope: Scope;
  limit: RateClass;
  params?: P;
  query?: Q;
  body?: B;
  maxBodyBytes?: number;
  /** Writes run once per Idempotency-Key; `own` leaves that to the handler's one statement. */
  idempotency?: "own";
  answers: Record<number, { description: string; schema?: z.ZodType; contentType?: string }>;
  handle(ctx: Context, input: Input<z.output<P>, z.output<Q>, z.output<B>>): Promise<Answer | Response>;
}

type Nothing = z.ZodType<Record<string, never>>;

/** Mounts an endpoint and documents it: key, scope, rate limit, input, idempotency, then one service call. */
export function endpoint<
  P extends z.ZodType = Nothing,
  Q extends z.ZodType = Nothing,
  B extends z.ZodType = Nothing,
>(app: App, runtime: Runtime, spec: Endpoint<P, Q, B>): void {
  documentEndpoint(app, spec);
  const route = spec.path.replaceAll(/\{(\w+)\}/g, ":$1");
  app.on(spec.method.toUpperCase(), route, async (c) => {
    c.set("route", route);
    const { ctx, afterCommit } = await openContext(c, runtime);
    requireScope(ctx, spec.scope);
    const limit = await runtime.limiter.check(spec.limit, ctx.principal.keyId);
    c.set("limitHeaders", rateLimitHeaders(limit));
    if (limit && !limit.allowed) throw rateLimited(limit);
    const input = await readInput(c, spec);
    const answer = await run(ctx, spec, input);
    for (const action of afterCommit) {
      await action(ctx.db).catch((error: unknown) => {
        runtime.log.warn({ requestId: ctx.requestId, error: safeError(error) }, "after commit");
      });
    }
    return answer instanceof Response ? answer : toResponse(answer);
  });
}

const rateLimited = ({ limit, windowSeconds, resetSeconds }: RateLimitResult) =>
  new ServiceError(
    "rate_limited",
    `This key may send ${limit} such requests in ${windowSeconds} s; wait and go on.`,
    {
      retryAfterSeconds: resetSeconds,
    },
  );

async function openContext(c: AppContext, runtime: Runtime) {
  const principal = await runtime.authenticate(runtime.app.db, c.req.header("authorization"));
  c.set("keyId", principal.keyId);
  const afterCommit: ((db: Context["db"]) => Promise<void>)[] = [];
  const ctx: Context = {
    db: runtime.app.db,
    principal,
    requestId: c.get("requestId"),
    log: runtime.log,
    send: runtime.send,
    afterCommit: (action) => void afterCommit.push(action),
  };
  return { ctx, afterCommit };
}

async function readInput<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  c: AppContext,
  spec: Endpoint<P, Q, B>,
) {
  const params = parse(spec.params, c.req.param(), "path") as z.output<P>;
  const query = parse(spec.query ?? z.strictObject({}), singleValues(c), "query") as z.output<Q>;
  const read = spec.body ? await readJsonBody(c.req.raw, spec.maxBodyBytes ?? SMALL_BODY_BYTES) : null;
  const body = parse(spec.body, read?.value, "body") as z.output<B>;
  const idempotent = spec.method === "get" ? null : idempotentRequest(c, spec.method, read?.text ?? "");
  return { params, query, body, idempotent };
}

function parse(schema: z.ZodType | undefined, value: unknown, place: string): unknown {
  if (!schema) return {};
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) => {
    const keys =
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return keys.map((key) => ({
      path: fieldPath(place, key),
      code: issue.code ?? "invalid",
      message: issue.message,
    }));
  });
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  throw new ServiceError("invalid_request", `${first?.path}: ${first?.message}${more}`, { errors });
}

function fieldPath(place: string, path: PropertyKey[]): string {
  return path.reduce<string>(
    (all, part) => all + (typeof part === "number" ? `[${part}]` : `.${String(part)}`),
    place,
  );
}

function singleValues(c: AppContext): Record<string, string> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, all] of Object.entries(c.req.queries())) {
    if (all.length > 1) throw invalidField(`query.${name}`, "repeated", "Give this parameter once.");
    const value = all[0] ?? "";
    if (value.includes("\0") || !value.isWellFormed()) {
      throw invalidField(
        `query.${name}`,
        "not_storable",
        "Text must be well-formed and hold no NUL character.",
      );
    }
    values[name] = value;
  }
  return values;
}

function idempotentRequest(c: AppContext, method: string, body: string): IdempotentRequest | null {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return null;
  if (!/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw invalidField(
      "header.Idempotency-Key",
      "malformed",
      "Use 1 to 200 printable ASCII characters without spaces.",
    );
  }
  const hash = createHash("sha256")
    .update(`${method} ${new URL(c.req.url).pathname}\n${body}`)
    .digest();
  return { key, hash };
}

async function run<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  ctx: Context,
  spec: Endpoint<P, Q, B>,
  input: Input<z.output<P>, z.output<Q>, z.output<B>>,
): Promise<Answer | Response> {
  if (input.idempotent === null || spec.idempotency === "own") return spec.handle(ctx, input);
  return runIdempotent(ctx, input.idempotent, async (inner) => {
    const answer = await spec.handle(inner, input);
    if (answer instanceof Response) throw new Error("a streamed answer cannot be kept for replay");
    return answer;
  });
}

function toResponse({ status, body, headers = {} }: Answer): Response {
  if (body === undefined) return new Response(null, { status, headers });
  return Response.json(body, { status, headers });
}
