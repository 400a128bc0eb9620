import { setTimeout as sleep } from "node:timers/promises";
import { Gate } from "./restore-gate.ts";
import { isServiceError, resumeByHand } from "./restore-service.ts";
import type { Stage } from "./restore-stage.ts";

const POLL_MS = 25;
/** How long nothing is hit after a fault, as a time and by how long that lasted: else attempts of other runs would run out. */
const SPACING_MS = 300;
const SPACING_FACTOR = 1.5;
const SECOND_TIMEOUT_MS = 2_000;

export interface Held {
  number: number;
  restoreId: string;
  epoch: number;
  isRollback: boolean;
}

export interface Fault {
  kind: keyof typeof acts;
  /** 0 to 1: how long it lasts, and which of its ways it takes. */
  length: number;
  way: number;
}

/** Of a hundred faults, how many are of each kind. */
const SHARES: Record<Fault["kind"], number> = {
  "kill the host": 26,
  "drop the connection": 16,
  "drop all connections": 8,
  "deliver twice": 16,
  "lose Redis": 10,
  "lose the engine": 10,
  "resume by hand": 11,
  "crash Postgres": 3,
};

export function pickFault(random: () => number): Fault {
  let share = random() * Object.values(SHARES).reduce((sum, one) => sum + one, 0);
  const kinds = Object.keys(SHARES) as Fault["kind"][];
  const kind = kinds.find((one) => (share -= SHARES[one]) < 0) ?? "kill the host";
  return { kind, length: random(), way: random() };
}

type Act = (stage: Stage, held: Held, fault: Fault) => Promise<void>;

/** Each ends with the part back in its place and the run let go. */
const acts = {
  "kill the host": async (stage, { number }, { length, way }) => {
    await stage.host.kill();
    // What the server was doing for the killed host goes on, before the next one comes or beside it.
    if (way < 0.5) await stage.pauses.release(number);
    await sleep(length * 300);
    await stage.host.start();
    if (way >= 0.5) {
      await sleep(length * 500);
      await stage.pauses.release(number);
    }
  },
  "drop the connection": async (stage, { number }) => {
    await stage.sql("select pg_terminate_backend(p) from unnest($1::int[]) p", [
      await stage.pauses.waiting(number),
    ]);
    await stage.pauses.release(number);
  },
  "drop all connections": async (stage, { number }) => {
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename in ('audit_worker', 'audit_app')",
    );
    await stage.pauses.release(number);
  },
  "deliver twice": async (stage, held, { length }) => {
    await deliverAgain(stage, held);
    const deadline = Date.now() + SECOND_TIMEOUT_MS;
    while ((await workflowsOf(stage, held.restoreId)) < 2 && Date.now() < deadline) await sleep(POLL_MS);
    await sleep(length * 400);
    await stage.pauses.release(held.number);
  },
  "lose Redis": async (stage, { number }, { length, way }) => {
    const [pid] = stage.redisServer.pids;
    if (way < 0.3 && pid !== undefined) process.kill(pid, "SIGKILL");
    await stage.redisProxy.cut();
    await stage.pauses.release(number);
    await sleep(200 + length * 1_000);
    await stage.redisProxy.restore();
  },
  "lose the engine": async (stage, { number }, { length, way }) => {
    await stage.engine.kill();
    if (way < 0.7) await stage.pauses.release(number);
    await sleep(length * 500);
    await stage.engine.start();
    if (way >= 0.7) await stage.pauses.release(number);
  },
  "resume by hand": async (stage, held, { length, way }) => {
    // The old workflow is dead, or it only seems so and goes on beside the new one.
    if (way < 0.5) await stage.host.kill();
    await resumeByHand(stage, held.restoreId).catch((error: unknown) => {
      // It has ended already, where it was held at its end.
      if (!isServiceError(error, "conflict")) throw error;
    });
    await stage.host.start();
    await sleep(length * 500);
    await stage.pauses.release(held.number);
  },
  "crash Postgres": async (stage, { number }) => {
    const { pid } = stage.postgres;
    process.kill(pid, "SIGKILL");
    while (stage.postgres.pid === pid) await sleep(POLL_MS);
    await stage.pauses.release(number);
  },
} satisfies Record<string, Act>;

/** What goes on in this process and cannot be tried again is not disturbed by others' faults. */
const ALONE = new Set<Fault["kind"]>(["lose the engine", "crash Postgres", "drop all connections"]);
const QUIET = new Set<Fault["kind"]>(["drop the connection", "deliver twice"]);

export class Faults {
  readonly gate = new Gate();
  #turn = new Gate();

  async strike(stage: Stage, held: Held, fault: Fault): Promise<void> {
    const act = () => acts[fault.kind](stage, held, fault);
    if (QUIET.has(fault.kind)) return act();
    // One part at a time is away.
    return this.#turn.alone(async () => {
      const since = Date.now();
      await (ALONE.has(fault.kind) ? this.gate.alone(act) : act());
      await sleep(Math.max(SPACING_MS, SPACING_FACTOR * (Date.now() - since)));
    });
  }
}

async function deliverAgain(stage: Stage, { restoreId, epoch, isRollback }: Held): Promise<void> {
  const event = {
    id: crypto.randomUUID(),
    name: isRollback ? "audit/restore.rollback-requested" : "audit/restore.requested",
    data: { restoreId, epoch, requestId: restoreId },
  };
  // The engine may be away by another run's fault.
  while (
    !(await stage.runtime.send([event]).then(
      () => true,
      () => false,
    ))
  )
    await sleep(POLL_MS);
}

async function workflowsOf(stage: Stage, restoreId: string): Promise<number> {
  const [row] = await stage.engineSql(
    "select count(*)::int as n from inngest.runs where event::json -> 'data' ->> 'restoreId' = $1",
    [restoreId],
  );
  return row?.n as number;
}
