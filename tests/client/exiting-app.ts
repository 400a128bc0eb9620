import { createAuditClient } from "../../client/index.ts";

// An app that logs one event, awaits nothing, and ends as its second argument says.
const [url = "", how] = process.argv.slice(2);
const client = createAuditClient({
  url,
  apiKey: process.env.API_KEY,
  backend: "database",
  mode: "buffered",
  lingerMs: 60_000,
  flushTimeoutMs: 300,
  log: () => undefined,
  onDropped: ({ id, error }) => console.log(`dropped ${id} ${error.code}`),
});
void client
  .logAuditEvent({
    actionType: "APP_ENDED",
    resourceType: "app",
    resourceId: "app",
    workspaceId: process.env.WORKSPACE ?? "",
    createdByUserId: "user-1",
  })
  .then((id) => {
    console.log(`logged ${id}`);
    if (how === "exit") process.exit();
  });
