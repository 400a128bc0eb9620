import type { z } from "zod";
import type { RateClass } from "../../lib/rate-limit.ts";
import type { Context } from "../../services/context.ts";
import type { Scope } from "../../services/keys/scopes.ts";
import type { Answer, IdempotentRequest } from "../../services/requests/run-idempotent.ts";

export interface Input<P, Q, B> {
  params: P;
  query: Q;
  body: B;
  /** Set when the request has an Idempotency-Key; only handlers with `idempotency: "own"` look at it. */
  idempotent: IdempotentRequest | null;
  /** Whether the caller asked for the short answer, by `Prefer: return=minimal` (RFC 7240). */
  prefersMinimal: boolean;
}

/** One description of a route: it is served, checked and documented from this. */
export interface Endpoint<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  method: "get" | "post" | "put" | "patch" | "delete";
  /** As OpenAPI writes it: `/audit/events/{id}`. */
  path: string;
  tag: string;
  /** What generated clients call it; it stays as it is. */
  operationId: string;
  summary: string;
  description?: string;
  scope: Scope;
  limit: RateClass;
  params?: P;
  query?: Q;
  body?: B;
  /** A body that is accepted, for the document. */
  example?: z.input<B>;
  maxBodyBytes?: number;
  /** A larger body of up to this many bytes is read, so that its refusal can name the largest field. */
  explainedBodyBytes?: number;
  /** Writes run once per Idempotency-Key; `own` leaves that to the handler's one statement. */
  idempotency?: "own";
  /**
   * The short answer, to a caller who prefers one or whose key lacks the scope to read the whole; it is also what is kept for
   * an Idempotency-Key.
   */
  minimal?: { answer: (body: unknown) => unknown; wholeScope: Scope };
  answers: Record<number, { description: string; schema?: z.ZodType; contentType?: string | string[] }>;
  handle(ctx: Context, input: Input<z.output<P>, z.output<Q>, z.output<B>>): Promise<Answer | Response>;
}
