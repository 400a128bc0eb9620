import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Redis } from "@upstash/redis";
import type { LocalRedis } from "../../../local/redis/index.ts";
import { hasRedisServer } from "../../../local/redis/server.ts";

export const withoutServer = !hasRedisServer();
/** Part of the name of each suite that is skipped without it, so that the report says why. */
export const realServer = "redis-server (skipped unless it is installed: apt-get install redis-server)";

export function temporaryFolder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-redis-test-"));
}

export function removeFolder(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
}

/** The real client, as others use it; one try only, so that a failure shows at once. */
export function clientOf({ url, token }: Pick<LocalRedis, "url" | "token">): Redis {
  return new Redis({ url, token, enableTelemetry: false, retry: false });
}

/** POSTs to the front, without the client's conversions. */
export async function post(
  { url, token }: Pick<LocalRedis, "url" | "token">,
  pathname: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}${pathname}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

/** A guarantee that holds for both backends, with the one answer that both must give. */
export interface Case {
  name: string;
  run(redis: Redis): Promise<unknown>;
  answer: unknown;
}

/** The error's first word, which clients may act on; the rest differs between versions of Redis. */
export const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: Error) => /\b(ERR|WRONGTYPE|NOSCRIPT|EXECABORT)\b/.exec(error.message)?.[0],
  );
