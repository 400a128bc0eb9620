import type { z } from "zod";
import type { Context } from "../../services/context.ts";
import { requireScope } from "../../services/context.ts";
import { ServiceError } from "../../services/errors.ts";
import { runIdempotent, type Answer } from "../../services/requests/run-idempotent.ts";
import { rateLimitHeaders, type RateLimitResult } from "../../lib/rate-limit.ts";
import { safeError } from "../../lib/logger.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App, AppContext } from "./app.ts";
import { readInput } from "./input.ts";
import { documentEndpoint } from "./openapi.ts";
import type { Endpoint, Input } from "./spec.ts";

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
    quiet: runtime.quiet,
    send: runtime.send,
    counts: runtime.metrics.ingested,
    afterCommit: (action) => void afterCommit.push(action),
  };
  return { ctx, afterCommit };
}

async function run<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  ctx: Context,
  spec: Endpoint<P, Q, B>,
  input: Input<z.output<P>, z.output<Q>, z.output<B>>,
): Promise<Answer | Response> {
  const handle = async (inner: Context) => {
    const answer = await spec.handle(inner, input);
    if (!spec.minimal || answer instanceof Response) return answer;
    const { prefersMinimal } = input;
    if (!prefersMinimal && ctx.principal.scopes.has(spec.minimal.wholeScope)) return answer;
    const headers = { ...answer.headers, ...(prefersMinimal && { "preference-applied": "return=minimal" }) };
    return { ...answer, body: spec.minimal.answer(answer.body), headers };
  };
  if (input.idempotent === null || spec.idempotency === "own") return handle(ctx);
  return runIdempotent(ctx, input.idempotent, async (inner) => {
    const answer = await handle(inner);
    if (answer instanceof Response) throw new Error("a streamed answer cannot be kept for replay");
    return answer;
  });
}

function toResponse({ status, body, headers = {} }: Answer): Response {
  if (body === undefined) return new Response(null, { status, headers });
  return Response.json(body, { status, headers });
}
