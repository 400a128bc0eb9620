import { serve } from "@hono/node-server";
import { Hono } from "hono";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAuditClient, type AuditClient, type AuditClientOptions } from "../../client/index.ts";
import { chat, type ChatRequest } from "./handler.ts";

const KEPT_MS = 1;

export interface ChatApp {
  url: string;
  audit: AuditClient;
  /** Takes no more requests, lets the answers that are under way end, and then their trails get sent. */
  close(): Promise<void>;
}

/** A chat application on loopback: POST / answers a question, GET /projects/{projectId}/trails/{messageId} gives its trail. */
export async function startChatApp(options: AuditClientOptions, port = 0): Promise<ChatApp> {
  const audit = createAuditClient(options);
  const app = new Hono()
    .post("/", async (c) => chat(audit, await c.req.json<ChatRequest>()))
    .get("/projects/:projectId/trails/:messageId", async (c) => {
      const { projectId, messageId } = c.req.param();
      const trail = await audit.getAuditTrail(messageId, projectId);
      return trail ? c.json(trail) : c.notFound();
    });
  const server = serve({ hostname: "127.0.0.1", port, fetch: app.fetch }) as Server;
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    audit,
    close: async () => {
      // A connection that is kept for the next request would hold the end up.
      server.keepAliveTimeout = KEPT_MS;
      await new Promise((resolve) => server.close(resolve));
      await audit.close();
    },
  };
}
