import { setTimeout as sleep } from "node:timers/promises";
import { progressBar } from "../../cli/progress.ts";
import { parseOptions } from "../../local/options.ts";
import { connectApi, type Api } from "./api.ts";
import { chatDay, type ChatMessage } from "./chat-day.ts";
import { webhookEvents } from "./webhooks.ts";
import { withLocalStack } from "./with-local-stack.ts";

const EVENTS_PER_BATCH = 50;
const MESSAGES = 600;
const MESSAGES_AT_ONCE = 8;
const SEED = 1;
const JOB_POLL_MS = 200;
const JOB_POLLS_MAX = 100;

const say = (line = "") => console.log(line);

const HELP = `npm run demo -- [options]

Stores GitHub's published webhook payloads as workspace events, and a day of chat messages as trails, and runs a
workflow: on the stack that npm start runs here, or on one that is started for it.

  --data <dir>    the stack's folder (.afterimage)
  --help          this text
`;

const { values } = parseOptions(HELP, { data: { type: "string", default: ".afterimage" } });

await withLocalStack(values.data, async ({ url, apiKey }) => {
  const api = connectApi(url, apiKey);
  await storeWebhooks(api);
  await storeChatDay(api);
  await rollUp(api);
  lookAt(url, apiKey);
});

/** GitHub's published payloads, 50 a batch; a second demo stores none of them twice, by their eventId. */
async function storeWebhooks(api: Api): Promise<void> {
  const events = webhookEvents();
  const bar = progressBar(`Webhook payloads of GitHub as workspace events (${events.length})`, events.length);
  for (let i = 0; i < events.length; i += EVENTS_PER_BATCH) {
    const batch = events.slice(i, i + EVENTS_PER_BATCH);
    await api.send("POST", "/audit/log/batch", { events: batch });
    bar.advance(batch.length);
  }
  bar.done(
    `${events.length} events of ${new Set(events.map((one) => one.workspaceId)).size} workspaces are stored.`,
  );
}

/** A placeholder when the message starts, its tokens and cost when it is done: as a chat app writes them. */
async function storeChatDay(api: Api): Promise<void> {
  const messages = chatDay(MESSAGES, SEED, new Date());
  const bar = progressBar(`A day of chat messages as trails (${messages.length})`, messages.length);
  const queue = messages.values();
  const worker = async () => {
    for (const message of queue) {
      await storeMessage(api, message);
      bar.advance(1);
    }
  };
  await Promise.all(Array.from({ length: MESSAGES_AT_ONCE }, worker));
  const open = messages.filter((one) => one.completion === null).length;
  bar.done(`${messages.length} trails are stored; ${open} of them were never completed.`);
}

async function storeMessage(
  api: Api,
  { messageId, projectId, placeholder, completion }: ChatMessage,
): Promise<void> {
  const path = `/trails/${encodeURIComponent(messageId)}`;
  await api.send("PUT", path, placeholder);
  if (completion) await api.send("PATCH", `${path}?projectId=${projectId}`, completion);
}

interface Run {
  id: string;
  status: string;
  result: unknown;
  error: string | null;
}

/** Runs a scheduled workflow by hand and follows it to its end. */
async function rollUp(api: Api): Promise<void> {
  let run = await api.send<Run>("POST", "/jobs/trail-cleanup/run");
  for (let i = 0; i < JOB_POLLS_MAX && (run.status === "requested" || run.status === "running"); i++) {
    await sleep(JOB_POLL_MS);
    run = await api.send<Run>("GET", `/jobs/trail-cleanup/runs/${run.id}`);
  }
  say(`\nThe workflow trail-cleanup ran by hand: ${run.status} ${JSON.stringify(run.result ?? run.error)}`);
}

function lookAt(url: string, apiKey: string): void {
  const auth = `-H "Authorization: Bearer ${apiKey}"`;
  say(`
Look at (while npm start runs):

  Everything that happened in one workspace
    curl ${auth} "${url}/api/audit/events?workspaceId=Codertocat&limit=5"
  All pull request events, by prefix
    curl ${auth} "${url}/api/audit/events?workspaceId=Codertocat&actionType=pull_request.*&limit=5"
  The same as a file for a spreadsheet
    curl ${auth} "${url}/api/audit/events/export?format=csv&workspaceId=Codertocat" -o events.csv
  The newest message trails of a project
    curl ${auth} "${url}/api/trails?projectId=support-chat&limit=5"
  The schedules and when they last succeeded
    curl ${auth} ${url}/api/jobs`);
}
