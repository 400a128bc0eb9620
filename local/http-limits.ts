import type { ServerOptions } from "node:http";

/**
 * How long a client may take to send a request to the local server: its headers, and the whole with its body. Node looks
 * for late ones every second, answers 408 and ends the connection. On Vercel the platform does the like.
 */
export const HTTP_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
} as const satisfies ServerOptions;
