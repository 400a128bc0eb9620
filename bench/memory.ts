import type { Finding, Measure, Run } from "./support/measure.ts";
import type { MemoryUse } from "./support/api-process.ts";
import { HttpClient, type ReadyRequest } from "./support/http-client.ts";
import { makeEvents, type BenchEvent } from "./support/rows.ts";
import { uncounted, type Variant } from "./support/stage.ts";

const CONNECTIONS = 16;
const WORKSPACES = 100;
const SEED = 4_000_000;
const PORTION = 1_000;
/** How far back trails are read; 9 less 4 is the place of a trail among ten requests. */
const READ_BACK = 104;
const BYTES_PER_MB = 1_048_576;

/** The API's memory early and late in a long run of writes and reads. */
export const memory: Measure = {
  name: "memory",
  title: "Memory",
  run: async (run) => {
    const findings: Finding[] = [];
    for (const variant of uncounted(run.variants)) findings.push(...(await measure(run, variant)));
    return {
      findings,
      notes: [
        `Of the API process, after a full garbage collection each. Of ten requests five store an event with an eventId of its own, two write a trail, two list events by ever other filters, one reads a trail; ${CONNECTIONS} connections.`,
      ],
    };
  },
};

async function measure({ stage, sizes }: Run, variant: Variant): Promise<Finding[]> {
  const database = await stage.database("bench_memory", { fresh: true });
  const api = await stage.api(database, variant);
  const client = new HttpClient(api, CONNECTIONS);
  const [early, late] = sizes.memoryRequests;
  let sent = 0;
  const sendUntil = async (end: number): Promise<MemoryUse> => {
    while (sent < end) {
      const portion = requests(sent, Math.min(PORTION, end - sent));
      await client.sendAll(portion);
      sent += portion.length;
    }
    return api.memory();
  };
  const before = await sendUntil(early);
  const after = await sendUntil(early + late);
  const [stored] = await database.query<{ events: number }>(
    "select count(*)::int as events from audit.audit_events where event_id like 'memory-%'",
  );
  const wanted = Array.from({ length: early + late }, (_, i) => i).filter(
    (i) => kindOf(i) === "event",
  ).length;
  if (stored?.events !== wanted)
    throw new Error(`${wanted} events were acknowledged, but ${stored?.events} are stored`);
  await client.close();
  await stage.stopApis();
  stage.say(`  ${variant}: ${mb(before.rss)} → ${mb(after.rss)}`);
  const finding = (name: string, of: (use: MemoryUse) => number): Finding => ({
    measure: `${variant}: ${name}, after ${early.toLocaleString("en")} and after ${late.toLocaleString("en")} more`,
    reference: mb(of(before)),
    ours: mb(of(after)),
    ratios: [of(after) / of(before)],
  });
  return [finding("resident", ({ rss }) => rss), finding("heap in use", ({ heapUsed }) => heapUsed)];
}

const mb = (bytes: number) => `${Math.round(bytes / BYTES_PER_MB)} MB`;

const kindOf = (i: number) =>
  (["event", "event", "event", "event", "event", "trail", "trail", "list", "list", "read"] as const)[i % 10];

function requests(from: number, count: number): ReadyRequest[] {
  const events = makeEvents(count, SEED + from, { workspaces: WORKSPACES });
  return events.map((event, i) => request(event, from + i));
}

function request(event: BenchEvent, i: number): ReadyRequest {
  const trail = {
    projectId: "proj-1",
    model: "model-1",
    contextLayers: 3,
    reasoning: ["The context holds the answer."],
  };
  switch (kindOf(i)) {
    case "trail":
      return { method: "PUT", path: `/api/trails/msg-${i}`, body: JSON.stringify(trail) };
    case "list":
      return {
        method: "GET",
        path: `/api/audit/events?workspaceId=${event.workspaceId}&resourceId=${event.resourceId}-${i}`,
      };
    case "read":
      // A trail of a while ago: the latest may still be on their way.
      return i < READ_BACK
        ? { method: "GET", path: "/api/trails?limit=1" }
        : { method: "GET", path: `/api/trails/msg-${i - READ_BACK}` };
    default:
      return {
        method: "POST",
        path: "/api/audit/log",
        body: JSON.stringify({ ...event, eventId: `memory-${i}` }),
      };
  }
}
