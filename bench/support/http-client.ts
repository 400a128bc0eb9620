import { randomUUID } from "node:crypto";
import { Pool } from "undici";
import type { Api } from "./api-process.ts";

const TIMEOUT_MS = 30_000;

/** A request that is ready to be sent: its body is text already. */
export interface ReadyRequest {
  method: "GET" | "POST" | "PUT";
  path: string;
  body?: string;
}

export interface Answer {
  status: number;
  /** The API's own id of the request, by which its log names it. */
  requestId: string;
  text: string;
  /** From sending to the last byte, in the client. */
  ms: number;
}

/** Sends requests over at most `connections` kept connections, with a key and, on writes, an Idempotency-Key. */
export class HttpClient {
  readonly #pool: Pool;
  readonly #keys: readonly string[];
  readonly #connections: number;
  #sent = 0;

  constructor(api: Api, connections: number) {
    this.#pool = new Pool(api.url, {
      connections,
      pipelining: 1,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    });
    this.#keys = api.keys;
    this.#connections = connections;
  }

  /** Throws on any answer that is not 2xx: a figure with refused requests in it means nothing. */
  async send({ method, path, body }: ReadyRequest): Promise<Answer> {
    const started = performance.now();
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#keys[this.#sent++ % this.#keys.length]}`,
    };
    if (method !== "GET") headers["idempotency-key"] = randomUUID();
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await this.#pool.request({ method, path, headers, body: body ?? null });
    const text = await answer.body.text();
    if (answer.statusCode < 200 || answer.statusCode > 299) {
      throw new Error(`${method} ${path.split("?")[0]} answered ${answer.statusCode}: ${text.slice(0, 500)}`);
    }
    return {
      status: answer.statusCode,
      requestId: String(answer.headers["x-request-id"]),
      text,
      ms: performance.now() - started,
    };
  }

  /** Sends all, each connection one after the other. */
  async sendAll(
    requests: readonly ReadyRequest[],
    onAnswer?: (answer: Answer, index: number) => void,
  ): Promise<void> {
    let next = 0;
    const work = async () => {
      for (let i = next++; i < requests.length; i = next++) {
        const answer = await this.send(requests[i] as ReadyRequest);
        onAnswer?.(answer, i);
      }
    };
    await Promise.all(Array.from({ length: this.#connections }, work));
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
