import fc from "fast-check";
import type { App } from "../../api/_http/app.ts";
import type { Runtime } from "../../services/runtime.ts";
import { bare, plain, type Draft } from "./draft.ts";
import { judgeRefusal } from "./expectation.ts";
import { judgeFilters } from "./filters.ts";
import { createWitness, type Query } from "./fingerprint.ts";
import { createPools, type Pools } from "./learned.ts";
import { readOperations, type Operation } from "./openapi.ts";
import { judgeAnswer } from "./oracles.ts";
import { judgeRoundTrip } from "./round-trip.ts";
import { asCurl, send, write, type Answer, type Sent } from "./send.ts";
import { sweep } from "./sweep.ts";
import { attacks } from "./twists.ts";
import { createWorld, type Tenant, type World } from "./world.ts";

const SHRINKS_MAX = 200;
const WARM_UP_TRIES_MAX = 180;
const WARM_UP_BARE = 4;
const MEMORY_GROWTH_MAX_BYTES = 768 * 1024 * 1024;

/** The service under attack: in this process, on a database that nobody else uses. */
export interface Target {
  app: App;
  runtime: Runtime;
  /** As a superuser. */
  query: Query;
  /** How many events the workflow engine was handed. */
  sentEvents(): number;
}

export interface Options {
  runs: number;
  seed: number;
  onProgress?: (done: number) => void;
  /** Ends the attack early. */
  signal?: AbortSignal;
}

export interface Report {
  runs: number;
  seed: number;
  seconds: number;
  /** How often each operation answered with each class: 2xx, 400, 404 … */
  answers: Map<string, Map<string, number>>;
  /** How often each twist was tried. */
  twists: Map<string, number>;
  /** Operations that never accepted anything: what would exist for them is missing from the world. */
  neverAccepted: string[];
  /** The smallest request that breaks a guarantee. */
  finding: { curl: string; twist: string; wrong: string[]; answer: string } | null;
  /** What is wrong with the process after all. */
  aftermath: string[];
}

class Broken extends Error {}

/** Attacks every operation that the service documents; stops at the first broken guarantee, made as small as it gets. */
export async function attack(target: Target, options: Options): Promise<Report> {
  const started = performance.now();
  const { app } = target;
  const memory = process.memoryUsage().rss;
  const prototype = Object.getOwnPropertyNames(Object.prototype).length;
  const operations = await readOperations(app);
  const world = await createWorld(app, target.query);
  const foreign = await poolsOf(app, operations, world, world.foreign, "foreign");
  const pools = await poolsOf(app, operations, world, world.own, "own", foreign);
  const witness = await createWitness(target.query);
  const answers = new Map<string, Map<string, number>>();
  const twists = new Map<string, number>();
  /** Operations that refuse whoever is limited to some tenants. */
  const forOperators = new Set<string>();
  let last: Report["finding"] = null;

  const get = async (target: string) => {
    const headers: Sent["headers"] = [["authorization", `Bearer ${world.secrets.all}`]];
    return send(app, { method: "GET", target, headers, body: null, text: null, params: {}, query: {} });
  };

  const tell = (draft: Draft, answer: Answer) => {
    const row = answers.get(draft.operation.name) ?? new Map<string, number>();
    const kind = answer.status < 300 ? "2xx" : String(answer.status);
    answers.set(draft.operation.name, row.set(kind, (row.get(kind) ?? 0) + 1));
    twists.set(draft.twist.kind, (twists.get(draft.twist.kind) ?? 0) + 1);
  };

  const strike = async (drafted: Draft): Promise<Answer> => {
    const draft = forOperators.has(drafted.operation.name) ? byOperator(drafted) : drafted;
    const sent = write(draft, pools, world.secrets);
    const before = await witness.take();
    const events = target.sentEvents();
    const answer = await send(app, sent);
    tell(draft, answer);
    const isAsked = draft.bendPath === null && draft.method === draft.operation.method;
    const wrong = [
      ...judgeAnswer(isAsked ? draft.operation : null, sent, answer),
      ...judgeRefusal(draft, sent, answer),
      ...leaks(draft, answer),
    ];
    if (Object.getOwnPropertyNames(Object.prototype).length !== prototype)
      wrong.push("polluted Object.prototype");
    if (answer.status >= 400) {
      const changed = await witness.changedSince(before);
      const isBurst = changed.length > 0 && (await completesBurst(target.query, answer));
      if (isBurst) return answer;
      if (changed.length > 0) wrong.push(`refused it and wrote to ${changed.join(", ")}`);
      if (target.sentEvents() !== events) wrong.push("refused it and started a workflow");
    } else if (isAsked) {
      pools.learnFrom(draft, sent.params, answer.json, answer.headers.get("location"));
      wrong.push(...judgeFilters(sent, answer));
      wrong.push(...(await judgeRoundTrip(operations, draft, sent, answer, get)));
    }
    if (wrong.length === 0) return answer;
    last = {
      curl: asCurl(sent),
      twist: draft.twist.kind,
      wrong,
      answer: `${answer.status} ${answer.text.slice(0, 1_000)}`,
    };
    throw new Broken(wrong.join("; "));
  };

  const leaks = (draft: Draft, answer: Answer): string[] => {
    const own = "key" in draft.sender ? draft.sender.key : "own";
    if (own === "all") return [];
    const other = own === "foreign" ? world.own : world.foreign;
    const said = answer.text + JSON.stringify([...answer.headers]);
    return said.includes(other.canary) ? ["shows what is another tenant's"] : [];
  };

  let failures = 0;
  let done = 0;
  const struck = async (draft: Draft) => {
    // Nobody waits any more; an answer at once would leave the process no time for anything else.
    if (options.signal?.aborted) await new Promise<never>(() => undefined);
    // After enough tries the smallest failure so far stands.
    if (failures > SHRINKS_MAX) return;
    await strike(draft).catch((error: unknown) => {
      failures++;
      throw error;
    });
    if (failures === 0 && ++done % 100 === 0) options.onProgress?.(done);
  };

  const run = async () => {
    const samples = operations.map((one) =>
      fc.sample(plain(one), { seed: options.seed, numRuns: WARM_UP_TRIES_MAX }),
    );
    await warmUp(samples, strike, forOperators);
    for (const draft of samples.flatMap(([first]) => (first ? sweep(first) : []))) await strike(draft);
    const numbers = { numRuns: options.runs, seed: options.seed };
    const result = await fc.check(fc.asyncProperty(attacks(operations), struck), numbers);
    if (result.failed && last === null) throw result.errorInstance;
  };
  const aborted = new Promise<void>((resolve) => {
    options.signal?.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([aborted, run()]).catch((error: unknown) => {
    if (!(error instanceof Broken)) throw error;
  });
  const accepted = operations.filter(({ name }) => answers.get(name)?.has("2xx")).map((one) => one.name);
  return {
    runs: done,
    seed: options.seed,
    seconds: (performance.now() - started) / 1_000,
    answers,
    twists,
    neverAccepted:
      last !== null ? [] : operations.map((one) => one.name).filter((name) => !accepted.includes(name)),
    finding: last,
    aftermath: options.signal?.aborted ? [] : aftermathOf(target, memory),
  };
}

/** What a tenant finds in its lists, and its own ids. */
async function poolsOf(
  app: App,
  operations: Operation[],
  { keyIds, known, secrets }: World,
  tenant: Tenant,
  key: string,
  foreign?: Pools,
): Promise<Pools> {
  const pools = createPools(operations, keyIds, foreign);
  for (const name of ["workspaceId", "workspaces"]) pools.pin(name, tenant.workspaces);
  for (const name of ["projectId", "projects"]) pools.pin(name, tenant.projects);
  for (const [name, values] of Object.entries(known)) pools.pin(name, values);
  for (const operation of operations.filter((one) => one.method === "GET" && !one.path.includes("{"))) {
    const [sample] = fc.sample(plain(operation), { seed: 1, numRuns: 1 });
    const draft = { ...bare(sample as Draft, false), sender: { key } };
    const answer = await send(app, write(draft, pools, secrets));
    if (answer.status < 300) pools.learnFrom(draft, {}, answer.json, null);
  }
  return pools;
}

/** Sends valid requests to every operation until it accepted one, so that there is something to attack. */
async function warmUp(
  samples: Draft[][],
  strike: (draft: Draft) => Promise<Answer>,
  forOperators: Set<string>,
): Promise<void> {
  const waiting = new Set(samples);
  for (let round = 0; round < WARM_UP_TRIES_MAX && waiting.size > 0; round++) {
    for (const drafts of waiting) {
      const draft = drafts[round];
      if (!draft) continue;
      // The first ones fill the pools: whole lists, and cursors.
      const { status } = await strike(round < WARM_UP_BARE ? bare(draft, round % 2 === 1) : draft);
      if (status < 300 && round >= WARM_UP_BARE) waiting.delete(drafts);
      if (status === 403 && isKey(draft, "own")) forOperators.add(draft.operation.name);
    }
  }
}

const isKey = ({ sender }: Draft, key: string) => "key" in sender && sender.key === key;

const byOperator = (draft: Draft): Draft =>
  isKey(draft, "own") ? { ...draft, sender: { key: "all" } } : draft;

/** The one write of a refusal: that it was the last of a burst of them is noted, once a minute. */
async function completesBurst(query: Query, { status, headers }: Answer): Promise<boolean> {
  if (status !== 401 && status !== 403) return false;
  const rows = await query("select action_type from audit.audit_events where request_id = $1", [
    headers.get("x-request-id"),
  ]);
  return rows.length === 1 && rows[0]?.action_type === "ACCESS_REFUSED";
}

function aftermathOf({ runtime }: Target, memoryBefore: number): string[] {
  const { waiting, total, idle } = runtime.app.connections();
  const growth = process.memoryUsage().rss - memoryBefore;
  return [
    waiting > 0 ? `${waiting} callers wait for a connection` : "",
    total > idle ? `${total - idle} connections were never given back` : "",
    growth > MEMORY_GROWTH_MAX_BYTES ? `memory grew by ${Math.round(growth / 2 ** 20)} MiB` : "",
  ].filter(Boolean);
}

export type { Sent };
