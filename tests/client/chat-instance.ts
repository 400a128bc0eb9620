import fs from "node:fs";
import path from "node:path";
import type { Difference, DroppedWrite } from "../../client/index.ts";
import { startChatApp } from "../../examples/chat/app.ts";
import { inLanes } from "../faults/lanes.ts";

/** Fewer than the client compares at once. */
const READS_AT_ONCE = 6;

// One instance of the chat application, as it is deployed: configured by its environment, and ended by SIGTERM.
const {
  AUDIT_TRAIL_BACKEND,
  AUDIT_URL,
  AUDIT_API_KEY,
  AUDIT_TRAILS_FOLDER = "",
  INSTANCE = "",
} = process.env;

const dropped: DroppedWrite[] = [];
const differences: Difference[] = [];
const { url, audit, close } = await startChatApp({
  backend: AUDIT_TRAIL_BACKEND,
  mode: "buffered",
  url: AUDIT_URL,
  apiKey: AUDIT_API_KEY,
  timeoutMs: 1_000,
  log: () => undefined,
  onDropped: (one) => void dropped.push(one),
  onDifference: (one) => void differences.push(one),
});

let copies = 0;
function writeMemory(): void {
  const lines = audit.memoryTrails().map((trail) => `${JSON.stringify(trail)}\n`);
  fs.writeFileSync(path.join(AUDIT_TRAILS_FOLDER, `trails-${INSTANCE}-${++copies}.ndjson`), lines.join(""));
}

/** An administrator's route could do it. */
process.on("SIGUSR2", () => {
  writeMemory();
  process.stdout.write("written\n");
});
/** Reads each trail once more, now that all is sent: a read compares. */
async function compareAll(): Promise<void> {
  await inLanes(READS_AT_ONCE, audit.memoryTrails(), async ({ messageId, projectId }) => {
    await audit.getAuditTrail(messageId, projectId);
    await audit.flush();
  });
}

process.once("SIGTERM", async () => {
  await close();
  if (AUDIT_TRAIL_BACKEND === "dual") await compareAll();
  if (AUDIT_TRAIL_BACKEND === "memory") writeMemory();
  process.stdout.write(`${JSON.stringify({ dropped, differences, stats: audit.stats() })}\n`, () =>
    process.exit(),
  );
});
process.stdout.write(`${url}\n`);
