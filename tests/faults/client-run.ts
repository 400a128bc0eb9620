import { setTimeout as sleep } from "node:timers/promises";
import { createAuditClient, type AuditClient, type DroppedWrite } from "../../client/index.ts";
import { writeLoad, type Written } from "./client-load.ts";
import { begin, type Misfortune } from "./client-misfortunes.ts";
import { problemsOf, readStored, type Rows, type Stored } from "./client-outcome.ts";
import { TIMEOUT_MS, type Service } from "./client-service.ts";

const CLIENTS = 4;
/** So small that it fills while the service is away. */
const QUEUE_MAX = 50;
const FLUSHES_MAX = 60;
/** A write that has not ended by then never will. */
const LOAD_TIMEOUT_MS = 120_000;
const GONE_POLL_MS = 20;

export interface ClientRun {
  /** Names the tenant. */
  run: string;
  apiKey: string;
  mode: "required" | "buffered";
  /** How a buffered client ends: it is emptied, or closed while the service is away. */
  ending: "drained" | "closed";
  messages: number;
  callers: number;
  random: () => number;
  /** Reads the database past the service. */
  rows: Rows;
}

export interface ClientResult {
  problems: string[];
  written: number;
  dropped: number;
  /** Of these, those that may be stored. */
  uncertain: number;
  retries: number;
  misfortunes: Map<Misfortune, number>;
  stored: Stored;
}

/**
 * An application that writes trails and events while the service is killed, cut off, slowed and stalled, and answers 500.
 * Answers what is wrong about what is stored in the end. Afterwards the service runs.
 */
export async function runClient(service: Service, run: ClientRun): Promise<ClientResult> {
  const { mode, ending, random, rows } = run;
  const projectId = `proj-${run.run}`;
  const workspaceId = `ws-${run.run}`;
  const dropped: DroppedWrite[] = [];
  const clients = Array.from({ length: CLIENTS }, () =>
    createAuditClient({
      url: service.url,
      apiKey: run.apiKey,
      backend: "database",
      mode,
      timeoutMs: TIMEOUT_MS,
      ...(mode === "buffered" ? { queueMax: QUEUE_MAX, flushTimeoutMs: TIMEOUT_MS } : {}),
      log: () => undefined,
      onDropped: (one) => void dropped.push(one),
    }),
  );
  const misfortunes = begin(service, random);
  const written: Written[] = [];
  const load = writeLoad({ ...run, clients, projectId, workspaceId }, written);
  await Promise.race([load, sleep(LOAD_TIMEOUT_MS, undefined, { ref: false })]);
  if (ending === "drained") {
    await misfortunes.end();
    await Promise.all(clients.map(drain));
  }
  await Promise.all(clients.map((client) => client.close()));
  await misfortunes.end();
  await untilNothingRuns(service, rows);
  const stored = await readStored(rows, projectId, workspaceId);
  await service.host.start();
  const counts = clients.map((client) => client.stats());
  const sum = (name: keyof (typeof counts)[number]) => counts.reduce((all, one) => all + one[name], 0);
  return {
    problems: [
      ...problemsOf({ written, dropped, mode, stored: sum("stored"), queued: sum("queued") }, stored),
      // What a client gives up while the service is well, it gives up too soon.
      ...dropped
        .filter(({ error }) => ending === "drained" && error.code === "closed")
        .map(({ id }) => `${id} was still unsent`),
    ],
    written: written.length,
    dropped: dropped.length,
    uncertain: dropped.filter(({ mayBeStored }) => mayBeStored).length,
    retries: sum("retries"),
    misfortunes: misfortunes.struck,
    stored,
  };
}

/** Sends all that waits, as the service is well again. */
async function drain(client: AuditClient): Promise<void> {
  for (let n = 0; n < FLUSHES_MAX && (await client.flush()) > 0; n++);
}

/** Ends the service when all that was on its way has reached it, and waits until Postgres has ended what it left. */
async function untilNothingRuns({ proxy, host }: Service, rows: Rows): Promise<void> {
  await proxy.settled();
  await host.kill();
  const left =
    "select from pg_stat_activity where datname = current_database() and application_name = 'afterimage'";
  while ((await rows(left, [])).length > 0) await sleep(GONE_POLL_MS);
}
