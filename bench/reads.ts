import type { Finding, Measure, Run } from "./support/measure.ts";
import { filledDatabase } from "./support/fill.ts";
import { HttpClient, type Answer, type ReadyRequest } from "./support/http-client.ts";
import { uncounted, type BenchDatabase, type Variant } from "./support/stage.ts";
import type { Api } from "./support/api-process.ts";
import { serverTimes } from "./support/server-log.ts";
import { median, quantile, randomFrom } from "./support/statistics.ts";

const RATIO_MAX = 1.3;
const P95_MS_MAX = 10;
const RESOURCE_EVENTS = 100;
const TARGETS = 100;
const PAGE = 10;
const PAGE_ROWS = 50;
const WARM_UP = 20;
const SEED = 3_000_000;

/** What is read, from each of the two databases. */
interface Side {
  rows: number;
  api: Api;
  client: HttpClient;
  reads: Record<string, ReadyRequest[]>;
}

const RESOURCE = "a resource's latest 100 events";
const PAGE_10 = "a workspace's page 10";
const TRAIL = "a trail by its message id";

/** The same reads against a small log and a large one, turn by turn. */
export const reads: Measure = {
  name: "reads",
  title: "Reads",
  run: async (run) => {
    const [few, many] = run.sizes.fill;
    const small = await filledDatabase(run.stage, `bench_${few}`, few);
    const large = await filledDatabase(run.stage, `bench_${many}`, many);
    const findings: Finding[] = [];
    for (const variant of uncounted(run.variants))
      findings.push(...(await compare(run, variant, small, large)));
    return {
      findings,
      notes: [
        `Reference: ${few.toLocaleString("en")} events and as many trails; ours: ${many.toLocaleString("en")}; a year of months each. One request at a time, by turns from the one and the other. The first read of a filter in an hour also writes an event, because reads are audited, and finds its pages out of the server's memory; the lines "first" are those, once each. Medians as the client sees them, in brackets the server's own time (0.1 ms steps).`,
      ],
    };
  },
};

async function compare(
  run: Run,
  variant: Variant,
  small: BenchDatabase,
  large: BenchDatabase,
): Promise<Finding[]> {
  const sides: [Side, Side] = [
    await openSide(run, variant, small, run.sizes.fill[0]),
    await openSide(run, variant, large, run.sizes.fill[1]),
  ];
  const findings: Finding[] = [];
  for (const name of [RESOURCE, PAGE_10, TRAIL]) {
    run.stage.say(`  ${variant}: ${name}`);
    // Once a filter has been read it is no first read, on any driver: this is the only place with one.
    if (name === RESOURCE && variant === "pg") {
      const distinct = Math.min(...sides.map(({ reads: ready }) => ready[name]?.length ?? 0));
      const first = await alternate(sides, name, Math.min(distinct, run.sizes.reads));
      findings.push(...describe(`${variant}: ${name}, first`, sides, [first], false));
    }
    await alternate(sides, name, WARM_UP);
    const rounds: Pair[] = [];
    for (let round = 0; round < run.rounds; round++)
      rounds.push(await alternate(sides, name, run.sizes.reads));
    findings.push(...describe(`${variant}: ${name}`, sides, rounds, variant === "pg"));
  }
  for (const { client } of sides) await client.close();
  await run.stage.stopApis();
  return findings;
}

async function openSide(run: Run, variant: Variant, database: BenchDatabase, rows: number): Promise<Side> {
  const api = await run.stage.api(database, variant);
  const client = new HttpClient(api, 1);
  return { rows, api, client, reads: await targets(database, client, rows) };
}

/** Counts rows once to find what has enough of them; the reads themselves come after it. */
async function targets(database: BenchDatabase, client: HttpClient, rows: number): Promise<Side["reads"]> {
  const resources = await database.query<{ workspace: string; type: string; id: string }>(
    `select workspace_id as workspace, resource_type as type, resource_id as id
     from audit.audit_events
     where workspace_id like 'ws-%'
     group by 1, 2, 3
     having count(*) >= $1
     order by md5(workspace_id || resource_id)
     limit $2`,
    [RESOURCE_EVENTS, TARGETS],
  );
  const workspaces = await database.query<{ workspace: string }>(
    `select workspace_id as workspace from audit.audit_events where workspace_id like 'ws-%'
     group by 1 having count(*) > $1 order by md5(workspace_id) limit $2`,
    [PAGE * PAGE_ROWS, TARGETS / 4],
  );
  const random = randomFrom(SEED);
  return {
    [RESOURCE]: resources.map(({ workspace, type, id }) =>
      get("/api/audit/events", {
        workspaceId: workspace,
        resourceType: type,
        resourceId: id,
        limit: String(RESOURCE_EVENTS),
      }),
    ),
    [PAGE_10]: await Promise.all(workspaces.map(({ workspace }) => tenthPage(client, workspace))),
    [TRAIL]: Array.from({ length: TARGETS }, () =>
      get(`/api/trails/msg-${1 + Math.floor(random() * rows)}`, {}),
    ),
  };
}

function get(path: string, query: Record<string, string>): ReadyRequest {
  const text = new URLSearchParams(query).toString();
  return { method: "GET", path: text === "" ? path : `${path}?${text}` };
}

async function tenthPage(client: HttpClient, workspaceId: string): Promise<ReadyRequest> {
  let cursor: string | undefined;
  const request = () =>
    get("/api/audit/events", { workspaceId, limit: String(PAGE_ROWS), ...(cursor ? { cursor } : {}) });
  for (let page = 1; page < PAGE; page++) {
    const { text } = await client.send(request());
    cursor = (JSON.parse(text) as { nextCursor: string }).nextCursor;
  }
  return request();
}

interface Times {
  client: number[];
  server: number[];
}
type Pair = [small: Times, large: Times];

async function alternate(sides: [Side, Side], name: string, count: number): Promise<Pair> {
  const answers: [Answer[], Answer[]] = [[], []];
  for (let i = 0; i < count; i++) {
    for (const side of i % 2 === 0 ? [0, 1] : [1, 0]) {
      const { client, reads: ready } = sides[side] as Side;
      const requests = ready[name] ?? [];
      const answer = await client.send(requests[i % requests.length] as ReadyRequest);
      requireRows(name, answer);
      answers[side]?.push(answer);
    }
  }
  const times = async (side: 0 | 1): Promise<Times> => {
    const ids = answers[side].map(({ requestId }) => requestId);
    return {
      client: answers[side].map(({ ms }) => ms),
      server: await serverTimes(sides[side].api.logFile, ids),
    };
  };
  return [await times(0), await times(1)];
}

/** A fast answer without the rows would be no answer. */
function requireRows(name: string, { text }: Answer): void {
  if (name === TRAIL) return;
  const wanted = name === RESOURCE ? RESOURCE_EVENTS : PAGE_ROWS;
  const { items } = JSON.parse(text) as { items: unknown[] };
  if (items.length !== wanted) throw new Error(`${name} has ${items.length} events instead of ${wanted}`);
}

function describe(measure: string, sides: [Side, Side], rounds: Pair[], isTargeted: boolean): Finding[] {
  const text = (side: 0 | 1) => {
    const all = (kind: keyof Times) => median(rounds.flatMap((pair) => pair[side][kind]));
    return `${all("client").toFixed(2)} ms (${all("server").toFixed(1)})`;
  };
  const p95 = (side: 0 | 1) => rounds.map((pair) => quantile(pair[side].server, 0.95));
  return [
    {
      measure: `${measure}: median`,
      reference: text(0),
      ours: text(1),
      ratios: rounds.map(([small, large]) => median(large.client) / median(small.client)),
      ...(isTargeted ? { target: { atMost: RATIO_MAX } } : {}),
    },
    {
      measure: `${measure}: p95 of the server's time at ${sides[1].rows.toLocaleString("en")}, ms`,
      reference: `${median(p95(0)).toFixed(1)} ms`,
      ours: `${median(p95(1)).toFixed(1)} ms`,
      ratios: p95(1),
      ...(isTargeted ? { target: { atMost: P95_MS_MAX } } : {}),
    },
  ];
}
