import { createHash, timingSafeEqual } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { BackendAwayError, RedisError, type Backend, type Command, type Reply } from "./backend.ts";
import { ScriptCache, type Translated } from "./scripts.ts";

const MAX_BODY_BYTES = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

/** All requests share one connection: what changes its state, holds it or ends the server is refused. */
const REFUSED = new Set(
  `acl auth blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin client config debug discard exec failover
   hello module monitor multi psubscribe psync punsubscribe quit replicaof reset select shutdown slaveof ssubscribe
   subscribe sunsubscribe swapdb sync unsubscribe unwatch wait waitaof watch xread xreadgroup`.split(/\s+/),
);

const argumentSchema = z.json().transform((value) => {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
});
const commandSchema = z.array(argumentSchema).min(1);
const commandListSchema = z.array(commandSchema).min(1);

export interface Front {
  port: number;
  close(): Promise<void>;
}

/**
 * Upstash's REST interface on loopback (https://upstash.com/docs/redis/features/restapi): `POST /` with
 * one command, `/pipeline` and `/multi-exec` with a list, a bearer token, and `Upstash-Encoding: base64`.
 * Left out: commands in the path, `?_token=`, RESP2 format, SUBSCRIBE and MONITOR streams.
 * Rejects with EADDRINUSE when the port is taken.
 */
export async function startFront(backend: Backend, token: string, port: number): Promise<Front> {
  const scripts = new ScriptCache();
  const expected = sha256(`Bearer ${token}`);
  const server = http.createServer((request, response) => {
    answer(request, expected, backend, scripts).then(
      ({ status, body }) => send(request, response, status, body),
      (error: unknown) => send(request, response, statusOf(error), { error: messageOf(error) }),
    );
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answer {
  status: number;
  body: unknown;
}

class RequestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function answer(
  request: http.IncomingMessage,
  expected: Buffer,
  backend: Backend,
  scripts: ScriptCache,
): Promise<Answer> {
  if (!timingSafeEqual(sha256(request.headers.authorization ?? ""), expected)) {
    throw new RequestError(401, "WRONGPASS invalid or missing auth token");
  }
  if (request.method !== "POST") throw new RequestError(405, "ERR only POST is served here");
  const encode = request.headers["upstash-encoding"] === "base64" ? toBase64 : toText;
  const wrap = (reply: Reply) =>
    reply instanceof RedisError ? { error: reply.message } : { result: encode(reply) };
  switch (new URL(request.url ?? "/", "http://localhost").pathname) {
    case "/": {
      const reply = await run(backend, scripts, parse(commandSchema, await readBody(request)));
      return { status: reply instanceof RedisError ? 400 : 200, body: wrap(reply) };
    }
    case "/pipeline": {
      const commands = parse(commandListSchema, await readBody(request));
      const replies = await Promise.all(commands.map((command) => run(backend, scripts, command)));
      return { status: 200, body: replies.map(wrap) };
    }
    case "/multi-exec": {
      const commands = parse(commandListSchema, await readBody(request));
      const reply = await runTransaction(backend, scripts, commands);
      if (!Array.isArray(reply)) return { status: 400, body: wrap(reply) };
      return { status: 200, body: reply.map(wrap) };
    }
    default:
      throw new RequestError(404, "ERR not found: POST to /, /pipeline or /multi-exec");
  }
}

function translate(scripts: ScriptCache, command: Command): Translated {
  const name = (command[0] ?? "").toLowerCase();
  if (REFUSED.has(name))
    return { reply: new RedisError(`ERR Command is not available: '${name.toUpperCase()}'`) };
  return scripts.translate(command);
}

async function run(backend: Backend, scripts: ScriptCache, command: Command): Promise<Reply> {
  const translated = translate(scripts, command);
  return "reply" in translated ? translated.reply : backend.call(translated.command);
}

async function runTransaction(backend: Backend, scripts: ScriptCache, commands: Command[]): Promise<Reply> {
  const translated = commands.map((command) => translate(scripts, command));
  const queued = translated.flatMap((item) => ("command" in item ? [item.command] : []));
  if (queued.length < translated.length) {
    return new RedisError("EXECABORT Transaction discarded: it holds a command that is not available in one");
  }
  return backend.exec(queued);
}

async function readBody(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_BODY_BYTES)
    throw new RequestError(413, `ERR max request size exceeded: ${MAX_BODY_BYTES} bytes`);
  return Buffer.concat(chunks).toString("utf8");
}

function parse<Schema extends z.ZodType>(schema: Schema, body: string): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(body));
  } catch {
    throw new RequestError(400, "ERR failed to parse the command: a non-empty JSON array is expected");
  }
}

// Clients decode every string but "OK", so a status such as "PONG" travels encoded, too.
function toBase64(reply: Reply): unknown {
  if (typeof reply === "string") return reply === "OK" ? reply : Buffer.from(reply).toString("base64");
  if (Buffer.isBuffer(reply)) return reply.toString("base64");
  return nested(reply, toBase64);
}

function toText(reply: Reply): unknown {
  return Buffer.isBuffer(reply) ? reply.toString("utf8") : nested(reply, toText);
}

function nested(reply: Reply, encode: (item: Reply) => unknown): unknown {
  if (reply instanceof RedisError) return { error: reply.message };
  return Array.isArray(reply) ? reply.map(encode) : reply;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest();

function statusOf(error: unknown): number {
  if (error instanceof RequestError) return error.status;
  return error instanceof BackendAwayError ? 503 : 500;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function send(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  status: number,
  body: unknown,
): void {
  if (response.destroyed) return;
  // An unread body must flow off, or the client may see a reset instead of this answer.
  request.resume();
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
