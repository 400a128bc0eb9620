import { parseOptions, refuse } from "../../local/options.ts";
import { withLocalStack } from "../demo/with-local-stack.ts";
import { startChatApp } from "./app.ts";
import type { ChatRequest } from "./handler.ts";

const PROJECT = "chat-example";
const QUESTIONS = ["Why is the sky blue?", "How long does an audit trail last?", "What did that cost?"];

const BACKENDS = ["memory", "dual", "database"];

const HELP = `npm run demo:chat -- [options]

A chat application that streams its answers and stores their trails, and three people who ask it: on the stack that
npm start runs here, or on one that is started for it.

  --backend <b>   where trails are kept: ${BACKENDS.join(", ")} (AUDIT_TRAIL_BACKEND, or else database)
  --data <dir>    the stack's folder (.afterimage)
  --help          this text
`;

const { values } = parseOptions(HELP, {
  data: { type: "string", default: ".afterimage" },
  backend: { type: "string", default: process.env.AUDIT_TRAIL_BACKEND ?? "database" },
});
if (!BACKENDS.includes(values.backend)) refuse(`--backend must be one of ${BACKENDS.join(", ")}.`);

// A chat application, and three people who ask it.
await withLocalStack(values.data, async ({ url, apiKey }) => {
  const {
    url: server,
    audit,
    close,
  } = await startChatApp({
    url,
    apiKey,
    backend: values.backend,
    mode: "buffered",
    onDropped: ({ kind, id, error }) => console.error(`not stored: ${kind} ${id}: ${error.message}`),
    onDifference: ({ messageId, field }) => console.error(`differs: ${messageId} ${field}`),
  });
  for (const [i, question] of QUESTIONS.entries()) {
    const messageId = await ask(server, { projectId: PROJECT, userId: `user-${i}`, question });
    const trail = await audit.getAuditTrail(messageId, PROJECT);
    console.log(
      `   trail ${messageId}: ${trail?.status}, ${trail?.tokens.total} tokens, $${trail?.cost?.total.toFixed(6)}\n`,
    );
  }
  await close();
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
