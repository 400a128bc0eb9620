import { AuditClientError } from "./errors.ts";
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

/** Sends a request once and gives its JSON answer; throws an AuditClientError for anything but success. */
export const createSend =
  ({ url, apiKey, timeoutMs, fetch }: Settings): Send =>
  async ({ method, path, body, idempotencyKey }, leftMs = timeoutMs) => {
    const limitMs = Math.ceil(Math.max(1, Math.min(timeoutMs, leftMs)));
    const signal = AbortSignal.timeout(limitMs);
    const headers = {
      authorization: `Bearer ${apiKey}`,
      "content-type": "application/json",
      // RFC 7240: what was stored need not come back.
      ...(idempotencyKey && { "idempotency-key": idempotencyKey, prefer: "return=minimal" }),
    };
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}/api${path}`, { method, headers, signal, ...(body && { body }) });
      text = await response.text();
    } catch (cause) {
      throw signal.aborted
        ? new AuditClientError("timeout", `The audit service did not answer within ${limitMs} ms.`, { cause })
        : new AuditClientError("unreachable", "The audit service is unreachable.", { cause });
    }
    return read(response, text);
  };

function read({ status, ok, headers }: Response, text: string): unknown {
  let answer: { code?: string; detail?: string } | undefined;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    // A page of something in between: no answer of the service, whatever its status says.
  }
  if (ok && answer) return answer;
  const message = `The audit service answered ${status}. ${answer?.detail ?? ""}`.trim();
  const retryAfterMs = Number(headers.get("retry-after")) * MS_PER_S || 0;
  throw new AuditClientError(answer?.code ?? "bad_answer", message, ok ? {} : { status, retryAfterMs });
}
