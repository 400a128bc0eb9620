import { setTimeout as sleep } from "node:timers/promises";
import { kindOf } from "../services/alerts/channels.ts";
import { testProgress, type TestProgress } from "../services/alerts/test-channels.ts";
import type { Context } from "../services/context.ts";
import { progressBar } from "./progress.ts";

const POLL_MS = 250;
const MS_PER_S = 1_000;

const NO_ENGINE =
  "The workflow engine did not take the event. Check that it runs, and INNGEST_EVENT_KEY, INNGEST_BASE_URL or INNGEST_DEV here; locally: npm start";
const NOT_PICKED_UP =
  "Nothing picked the test up. Check that the workflow engine knows this service (register /api/inngest), that it is the engine and the database of the deployment, and npx afterimage doctor.";
const NO_CHANNELS =
  "The deployment has no channel, so alerts go nowhere. Set SMTP_URL, ALERT_MAIL_FROM and ALERT_MAIL_TO, or ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET, and deploy again (docs/ALERTS.md).";
const MEND: Record<string, string> = {
  mail: "Check SMTP_URL, ALERT_MAIL_FROM and ALERT_MAIL_TO of the deployment, then test again.",
  webhook:
    "Check ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET of the deployment, and that the receiver answers 2xx, then test again.",
};

/** Shows how a test message goes its way; answers whether it arrived by every channel. Waits twice `waitS` seconds at most. */
export async function followTest(ctx: Context, requestId: string, waitS: number): Promise<boolean> {
  const look = () => testProgress(ctx, requestId);
  if (!(await look()).sent) return fail(NO_ENGINE);
  const bar = progressBar("Sending a test message …", 2);
  const begun = await until(look, (test) => test.pickedUp, waitS);
  bar.advance(1);
  const test = begun.pickedUp ? await until(look, isDone, waitS) : begun;
  const arrived = test.channels.filter((one) => one.state === "delivered").length;
  bar.done(`${arrived} of ${test.channels.length} channels delivered it.`);
  if (!test.pickedUp) return fail(NOT_PICKED_UP);
  if (test.channels.length === 0) return fail(NO_CHANNELS);
  for (const one of test.channels) console.log(inWords(one));
  return arrived === test.channels.length;
}

const isDone = (test: TestProgress) => test.channels.every((one) => one.state !== "waiting");

async function until(
  look: () => Promise<TestProgress>,
  isReached: (test: TestProgress) => boolean,
  waitS: number,
): Promise<TestProgress> {
  const deadline = Date.now() + waitS * MS_PER_S;
  for (;;) {
    const test = await look();
    if (isReached(test) || Date.now() > deadline) return test;
    await sleep(POLL_MS);
  }
}

function inWords({ channel, state, error }: TestProgress["channels"][number]): string {
  if (state === "delivered") return `ok    ${channel}`;
  const reason = state === "failed" ? error : "no answer yet; look again with: npx afterimage alerts list";
  return `FAIL  ${channel}: ${reason}\n      → ${MEND[kindOf(channel)]}`;
}

function fail(line: string): false {
  console.error(line);
  return false;
}
