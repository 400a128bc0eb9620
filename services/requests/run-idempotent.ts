import { beginIdempotent, finishIdempotent } from "../../db/queries/idempotency.ts";
import type { Context } from "../context.ts";
import { ServiceError } from "../errors.ts";

export interface IdempotentRequest {
  key: string;
  /** SHA-256 of method, path and body. */
  hash: Uint8Array;
}

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** What a replay of the idempotency key answers instead of `body`: without secrets. */
  keptBody?: unknown;
}

const RETRY_AFTER_S = 1;

export const requestRunning = () =>
  new ServiceError(
    "request_running",
    "The first request with this Idempotency-Key is still running; ask again soon.",
    {
      retryAfterSeconds: RETRY_AFTER_S,
    },
  );

export const idempotencyKeyReused = () =>
  new ServiceError(
    "idempotency_key_reused",
    "This Idempotency-Key was sent with another request; use a new one.",
    { errors: [{ path: "header.Idempotency-Key", code: "reused", message: "Use a new one." }] },
  );

/** Tells a caller that nothing was done now. */
export const replayHeaders = (isReplay: boolean): Record<string, string> =>
  isReplay ? { "idempotent-replay": "true" } : {};

/**
 * Runs a write once per key and Idempotency-Key, in one transaction with the answer that is kept for 24 hours: a crash
 * leaves neither. A refusal is not kept. Throws `request_running` (409) and `idempotency_key_reused` (422).
 */
export async function runIdempotent(
  ctx: Context,
  request: IdempotentRequest,
  write: (ctx: Context) => Promise<Answer>,
): Promise<Answer> {
  const { keyId } = ctx.principal;
  return ctx.db.transaction(async (tx) => {
    const first = await beginIdempotent(tx, keyId, request);
    if (first.state === "running") throw requestRunning();
    if (first.state === "mismatch") throw idempotencyKeyReused();
    if (first.state === "replay") {
      const kept = first.body as { body?: unknown; headers?: Record<string, string> };
      return {
        status: first.status ?? 200,
        ...kept,
        headers: { ...kept.headers, ...replayHeaders(true) },
      };
    }
    const answer = await write({ ...ctx, db: tx });
    const kept = { body: answer.keptBody ?? answer.body, headers: answer.headers };
    await finishIdempotent(tx, keyId, request, answer.status, kept);
    return answer;
  });
}
