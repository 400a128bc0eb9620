import http from "node:http";
import https from "node:https";
import type { LookupFunction } from "node:net";
import { DeliveryError, errorCode } from "./delivery.ts";

const ANSWER_BYTES_MAX = 4 * 1_024;

export interface Answer {
  status: number;
  retryAfter: string | undefined;
}

interface HttpRequest {
  method: "GET" | "POST";
  headers: http.OutgoingHttpHeaders;
  body?: string;
  /** For the whole: look-up, connection, answer and its body. */
  timeoutMs: number;
  /** In place of the system's resolver. */
  lookup?: LookupFunction;
}

/**
 * One request on a connection of its own; redirects are not followed. Any status is an answer, whatever becomes of the
 * answer's body; everything else throws a DeliveryError.
 */
export async function askOnce(url: URL, request: HttpRequest): Promise<Answer> {
  const signal = AbortSignal.timeout(request.timeoutMs);
  try {
    return await exchange(url, request, signal);
  } catch (error) {
    if (error instanceof DeliveryError) throw error;
    const late = `no answer within ${request.timeoutMs / 1_000} s`;
    throw new DeliveryError(signal.aborted ? late : (errorCode(error) ?? "the request failed"));
  }
}

function exchange(
  url: URL,
  { method, headers, body, lookup }: HttpRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const { request } = url.protocol === "https:" ? https : http;
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method,
      headers,
      signal,
      ...(lookup ? { lookup } : {}),
      // A connection of its own, closed afterwards: one kept open for another request was checked by other rules.
      agent: false,
      // Said here because a variable of the environment can turn it off elsewhere.
      rejectUnauthorized: true,
    });
    let answer: Answer | undefined;
    // Once there is a status, whatever happens to the connection does not change it.
    const settle = (error: Error) => (answer ? resolve(answer) : reject(error));
    sent.on("error", settle);
    // The only event where the receiver wants to change protocols.
    sent.on("close", () => settle(new Error("closed without an answer")));
    sent.on("response", (response) => {
      answer = { status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"] };
      void readSome(response);
    });
    sent.end(body);
  });
}

/** Reads an answer's body so that its sender gets to its end, but not more of it than a few KiB, nor past the deadline. */
async function readSome(response: http.IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) return;
    }
  } catch {
    // Broken off, or too late.
  }
}
