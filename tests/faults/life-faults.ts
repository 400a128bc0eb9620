import { setTimeout as sleep } from "node:timers/promises";
import { SUITE } from "./life-points.ts";
import type { Held, StorageMode } from "./life-pauses.ts";
import type { Lane } from "./life-stage.ts";
import { pick } from "./random.ts";

const DOWN_MS_MAX = 300;
const ALERT_TIMEOUT_MS = 10_000;
const POLL_MS = 25;

export interface Fault {
  kind: Kind;
  /** 0 to 1: how long it lasts, and which of its ways it takes. */
  length: number;
  way: number;
  /** Whether what waits at the point is let go only after the killed part is back, and goes on beside what it does. */
  isLate: boolean;
}

const KINDS = [
  "kill the host",
  "kill the engine",
  "kill both",
  "drop the connection",
  "drop all connections",
  "lose the storage",
  "damage the file",
] as const;
export type Kind = (typeof KINDS)[number];

/** A fault that can be at a point: the storage fails where it is used, and a file is damaged where it is written or read. */
export function pickFault(random: () => number, point: string): Fault {
  const isUse = /: (put|half put|get|delete) /.test(point);
  const isFile = /: (put|get) .* part-/.test(point) && !point.startsWith("purge");
  const kinds = KINDS.filter(
    (kind) => (kind !== "lose the storage" || isUse) && (kind !== "damage the file" || isFile),
  );
  // Where the storage can fail, it mostly does.
  const kind = isUse && random() < 0.7 ? pick(random, kinds.slice(5)) : pick(random, kinds.slice(0, 5));
  // Nobody waits long with a table locked, and readers would wait with him.
  const isLate = random() < 0.5 && !/: (ddl|log) /.test(point);
  return { kind, length: random(), way: random(), isLate };
}

type Act = (lane: Lane, held: Held[], fault: Fault) => Promise<string[] | void>;

/** Each ends with the part back in its place and the run let go, and says what was wrong meanwhile. */
const acts: Record<Kind, Act> = {
  "kill the host": async (lane, _, { length, isLate }) => {
    await lane.host.kill();
    if (!isLate) await lane.pauses.release();
    await sleep(length * DOWN_MS_MAX);
    await lane.host.start();
    await lane.pauses.release();
  },
  "kill the engine": async (lane, _, { length, isLate }) => {
    await lane.engine.kill();
    if (!isLate) await lane.pauses.release();
    await sleep(length * DOWN_MS_MAX);
    await lane.engine.start();
    await lane.pauses.release();
  },
  "kill both": async (lane, held, { length }) => {
    await Promise.all([lane.host.kill(), lane.engine.kill()]);
    await terminate(lane, held);
    await lane.pauses.release();
    await sleep(length * DOWN_MS_MAX);
    await Promise.all([lane.engine.start(), lane.host.start()]);
  },
  "drop the connection": async (lane, held) => {
    await terminate(lane, held);
    await lane.pauses.release();
  },
  "drop all connections": async (lane) => {
    await lane.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename in ('audit_worker', 'audit_app')",
    );
    await lane.pauses.release();
  },
  "lose the storage": (lane) => failStorage(lane, "away"),
  "damage the file": (lane, _, { way }) =>
    failStorage(lane, way < 0.4 ? "flip" : way < 0.8 ? "halve" : "lose"),
};

/** Ends connections of the API, too: its callers get a 503. */
export const isFeltByReaders = (kind: Kind) => kind === "drop all connections";

export const strike = async (lane: Lane, held: Held[], fault: Fault): Promise<string[]> =>
  (await acts[fault.kind](lane, held, fault)) ?? [];

/** The process that waits; of the storage's own wait, those that do the work. */
async function terminate(lane: Lane, held: Held[]): Promise<void> {
  await lane.sql(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name <> $2 and (pid = any ($1) or cardinality($1) = 0 and usename = 'audit_worker')`,
    [held.filter(({ isSuite }) => !isSuite).map(({ pid }) => pid), SUITE],
  );
}

/** Until an alert tells of it. Meanwhile no month may leave the database. */
async function failStorage(lane: Lane, mode: StorageMode): Promise<string[]> {
  const problems: string[] = [];
  const before = await droppedFiles(lane);
  await lane.pauses.setStorage(mode);
  await lane.pauses.release();
  const code = mode === "away" ? "archive.away" : "archive.unsound";
  const deadline = Date.now() + ALERT_TIMEOUT_MS;
  while (!(await isRaised(lane, code))) {
    if (Date.now() > deadline) {
      problems.push(`no alert ${code} was raised`);
      break;
    }
    await sleep(POLL_MS);
  }
  if ((await droppedFiles(lane)) !== before) problems.push("a month was dropped meanwhile");
  await lane.pauses.setStorage(null);
  return problems;
}

const isRaised = async (lane: Lane, code: string) =>
  (await lane.sql("select from audit.alerts where code = $1", [code])).length > 0;

async function droppedFiles(lane: Lane): Promise<number> {
  const [row] = await lane.sql(
    "select count(*)::int as n from audit.cold_months where dropped_at is not null",
  );
  return row?.n as number;
}
