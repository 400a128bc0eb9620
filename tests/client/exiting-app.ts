import { createAuditClient } from "../../client/index.ts";

// An app that logs some events and ends: "end" and "exit" one without awaiting it, "full" several, each of which has to
// wait for the room of the one before.
const [url = "", how] = process.argv.slice(2);
const isFull = how === "full";
const client = createAuditClient({
  url,
  apiKey: process.env.API_KEY,
  backend: "database",
  mode: "buffered",
  lingerMs: isFull ? 20 : 60_000,
  flushTimeoutMs: 300,
  ...(isFull ? { queueMax: 1 } : {}),
  log: () => undefined,
  onDropped: ({ id, error }) => console.log(`dropped ${id} ${error.code}`),
});

async function log(): Promise<void> {
  const id = await client.logAuditEvent({
    actionType: "APP_ENDED",
    resourceType: "app",
    resourceId: "app",
    workspaceId: process.env.WORKSPACE ?? "",
    createdByUserId: "user-1",
  });
  console.log(`logged ${id}`);
}

if (isFull) for (let i = 0; i < 4; i++) await log();
else void log().then(() => how === "exit" && process.exit());
