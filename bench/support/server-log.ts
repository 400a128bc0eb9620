import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const WAIT_MS = 50;
const ATTEMPTS = 40;

/** The server's own milliseconds of these requests; throws when its log lacks one. */
export async function serverTimes(logFile: string, requestIds: readonly string[]): Promise<number[]> {
  // The log is written in the background, so the last lines may come after their answers.
  for (let attempt = 1; ; attempt++) {
    const times = readTimes(logFile);
    const found = requestIds.flatMap((id) => times.get(id) ?? []);
    if (found.length === requestIds.length) return found;
    if (attempt === ATTEMPTS)
      throw new Error(`the API's log lacks ${requestIds.length - found.length} requests`);
    await sleep(WAIT_MS);
  }
}

function readTimes(logFile: string): Map<string, number> {
  const times = new Map<string, number>();
  for (const line of fs.readFileSync(logFile, "utf8").split("\n")) {
    if (!line.includes('"msg":"request"') || !line.endsWith("}")) continue;
    const { requestId, ms } = JSON.parse(line) as { requestId: string; ms: number };
    times.set(requestId, ms);
  }
  return times;
}
