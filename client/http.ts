import { AuditClientError, noAnswer } from "./errors.ts";
import type { Settings } from "./options.ts";

const MS_PER_S = 1_000;

export interface Request {
  method: string;
  /** Below /api. */
  path: string;
  body?: string | undefined;
  /** The same in every attempt, so that one that arrives late does nothing. */
  idempotencyKey?: string | undefined;
}

/** `leftMs`: how long it may take, if that is less than timeoutMs. */
export type Send = (request: Request, leftMs?: number) => Promise<unknown>;

interface Answer {
  code?: string;
  detail?: string;
  requestId?: string;
  ids?: unknown;
  items?: unknown;
  messageId?: unknown;
}

/** Sends a request once and gives its JSON answer; throws an AuditClientError for anything but success. */
export const createSend =
  ({ url, apiKey, timeoutMs, fetch }: Settings): Send =>
  async ({ method, path, body, idempotencyKey }, leftMs = timeoutMs) => {
    const signal = AbortSignal.timeout(Math.max(1, Math.min(timeoutMs, leftMs) | 0));
    const headers = {
      authorization: `Bearer ${apiKey}`,
      "content-type": "application/json",
      // RFC 7240: what was stored need not come back.
      ...(idempotencyKey && { "idempotency-key": idempotencyKey, prefer: "return=minimal" }),
    };
    let response: Response;
    let text: string;
    try {
      const init: RequestInit = { method, headers, signal, redirect: "manual", ...(body && { body }) };
      // Frameworks that keep answers (Next.js) keep none then; older Workers lack the field, and throw for it.
      if ("cache" in Request.prototype) init.cache = "no-store";
      response = await fetch(`${url}/api${path}`, init);
      text = await response.text();
    } catch (cause) {
      throw noAnswer(signal.aborted ? "timeout" : "unreachable", cause);
    }
    return read(response, text);
  };

function read({ status, ok, headers }: Response, text: string): unknown {
  let answer: Answer = {};
  try {
    answer = (JSON.parse(text) as Answer | null) ?? answer;
  } catch {
    // A page of something in between.
  }
  if (ok && (answer.ids ?? answer.items ?? answer.messageId)) return answer;
  const { code = "bad_answer", detail = "", requestId } = answer;
  throw new AuditClientError(code, `The audit service answered ${status}. ${detail}`.trim(), {
    // Somebody else's success, redirect or "not here, not now" is no word of the service; a refusal may be of what is sent.
    status: (!ok && requestId) || /^(?!40[458]|425)[45]/.test(`${status}`) ? status : undefined,
    retryAfterMs: Number(headers.get("retry-after")) * MS_PER_S || 0,
  });
}
