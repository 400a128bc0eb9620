import { AuditClientError } from "./errors.ts";
import type { Settings } from "./options.ts";

const MS_PER_S = 1_000;

export interface Request {
  method: string;
  /** Below /api. */
  path: string;
  body?: string | undefined;
  idempotencyKey?: string | undefined;
}

export type Send = (request: Request) => Promise<unknown>;

/** Sends a request once and gives its JSON answer; throws an AuditClientError for anything but success. */
export const createSend =
  ({ url, apiKey, timeoutMs, fetch }: Settings): Send =>
  async ({ method, path, body, idempotencyKey }) => {
    const headers: Record<string, string> = { authorization: `Bearer ${apiKey}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
    const signal = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}/api${path}`, {
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body }),
      });
      text = await response.text();
    } catch (cause) {
      const [code, what] = signal.aborted
        ? ["timeout", `did not answer within ${timeoutMs} ms`]
        : ["unreachable", "cannot be reached"];
      throw new AuditClientError(code, `The audit service ${what}.`, { cause });
    }
    return read(response, text);
  };

function read(response: Response, text: string): unknown {
  const { status, ok } = response;
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // A page of something in between: no answer of the service, whatever its status says.
  }
  if (ok && answer !== undefined) return answer;
  const code = ok ? "bad_answer" : ((answer as { code?: string } | undefined)?.code ?? "bad_answer");
  const detail = (answer as { detail?: string } | undefined)?.detail ?? "";
  const retryAfter = Number(response.headers.get("retry-after"));
  throw new AuditClientError(code, `The audit service answered ${status}. ${detail}`.trim(), {
    ...(ok ? {} : { status }),
    retryAfterMs: retryAfter > 0 ? retryAfter * MS_PER_S : 0,
  });
}
