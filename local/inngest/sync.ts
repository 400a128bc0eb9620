import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, type Log } from "./log.ts";

const FIRST_RETRY_MS = 100;
const RETRY_MAX_MS = 1_000;
const REPEAT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 5_000;
const SAY_AFTER_FAILURES = 20;

/**
 * Asks an app to register, as Inngest's own dev server does with the URLs it is given: until it answers,
 * and every five seconds from then on, so that an app which comes back changed is noticed. Ends with
 * `signal`. Calls `onSynced` each time the app has registered.
 */
export async function keepSynced(
  appUrl: string,
  log: Log,
  signal: AbortSignal,
  onSynced: () => void,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const problem = await askToRegister(appUrl, signal);
    failures = problem === undefined ? 0 : failures + 1;
    if (problem === undefined) onSynced();
    if (failures === SAY_AFTER_FAILURES) log("warn", "an app does not register", { app: appUrl, problem });
    const wait = failures === 0 ? REPEAT_MS : Math.min(FIRST_RETRY_MS * failures, RETRY_MAX_MS);
    await sleep(wait, undefined, { signal, ref: false }).catch(() => {});
  }
}

async function askToRegister(appUrl: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(appUrl, {
      method: "PUT",
      headers: { "x-inngest-server-kind": "dev" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    });
    const text = await response.text();
    return response.ok ? undefined : `HTTP ${response.status} ${text.slice(0, 200)}`;
  } catch (error) {
    return messageOf(error);
  }
}
