import { serve } from "@hono/node-server";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { createAuditClient } from "../../client/index.ts";
import { withLocalStack } from "../demo/with-local-stack.ts";
import { chat, type ChatRequest } from "./handler.ts";

const PROJECT = "chat-example";
const QUESTIONS = ["Why is the sky blue?", "How long does an audit trail last?", "What did that cost?"];

const { values } = parseArgs({
  options: {
    data: { type: "string", default: ".afterimage" },
    backend: { type: "string", default: process.env.AUDIT_TRAIL_BACKEND ?? "database" },
  },
});

// A chat app in one file: its server, its client of the audit service, and three people who ask.
await withLocalStack(values.data, async ({ url, apiKey }) => {
  const audit = createAuditClient({
    url,
    apiKey,
    backend: values.backend,
    mode: "buffered",
    onDropped: ({ kind, id, error }) => console.error(`not stored: ${kind} ${id}: ${error.message}`),
    onDifference: ({ messageId, field }) => console.error(`differs: ${messageId} ${field}`),
  });
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => chat(audit, (await request.json()) as ChatRequest),
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;

  for (const [i, question] of QUESTIONS.entries()) {
    const messageId = await ask(`http://127.0.0.1:${port}`, {
      projectId: PROJECT,
      userId: `user-${i}`,
      question,
    });
    const trail = await audit.getAuditTrail(messageId, PROJECT);
    console.log(
      `   trail ${messageId}: ${trail?.status}, ${trail?.tokens.total} tokens, $${trail?.cost?.total.toFixed(6)}\n`,
    );
  }
  server.close();
  await audit.close();
  console.log(`What became of the writes: ${JSON.stringify(audit.stats())}`);
  if (values.backend !== "memory")
    console.log(`  curl -H "Authorization: Bearer ${apiKey}" "${url}/api/trails?projectId=${PROJECT}"`);
});

/** Asks the chat app, shows the answer as it comes, and gives the message's id. */
async function ask(server: string, body: ChatRequest): Promise<string> {
  console.log(`?  ${body.question}`);
  const response = await fetch(server, { method: "POST", body: JSON.stringify(body) });
  const decoder = new TextDecoder();
  process.stdout.write("   ");
  for await (const chunk of response.body ?? [])
    process.stdout.write(decoder.decode(chunk, { stream: true }));
  process.stdout.write("\n");
  return response.headers.get("x-message-id") ?? "";
}
