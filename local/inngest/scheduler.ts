import { randomUUID } from "node:crypto";
import type { Backoff } from "./backoff.ts";
import { callFunction, type Outcome } from "./call.ts";
import { isTransient, type Database } from "./database.ts";
import { claimJobs, loadState, postponeJob, reclaimJobs, type Job } from "./jobs.ts";
import { Leader } from "./leader.ts";
import { messageOf, type Log } from "./log.ts";
import { applyOutcome } from "./outcome.ts";
import type { Registry } from "./registry.ts";
import { markHandled, routeEvent } from "./routing.ts";
import { SlotCounter } from "./slots.ts";
import { fireTimers, nextDueMs, sweep } from "./timers.ts";
import { Wake } from "./wake.ts";

const IN_FLIGHT_MAX = 50;
const EVENTS_PER_ROUND = 100;
const STEPS_PER_RUN_MAX = 1_000;
/** Everything that adds work in this process wakes the loop; this is only for what comes from elsewhere. */
const IDLE_MS = 1_000;
const NOT_LEADER_MS = 100;
const AFTER_ERROR_MS = 250;
const POSTPONE_MS = 1_000;
const SWEEP_MS = 3_600_000;
const STOP_GRACE_MS = 5_000;

interface SchedulerOptions {
  database: Database;
  databaseUrl: string;
  registry: Registry;
  backoff: Backoff;
  checkpointing: boolean;
  /** While true no call is made: apps that are still starting would only use up attempts. */
  held(): boolean;
  log: Log;
}

/** The loop: routes events, fires timers, makes calls. All it knows is in the database. */
export class Scheduler {
  #options: SchedulerOptions;
  #executor = randomUUID();
  #leader: Leader;
  #wake = new Wake();
  #slots = new SlotCounter();
  #inFlight = new Set<Promise<void>>();
  #abort = new AbortController();
  #stopped = false;
  #nextSweepAt = Date.now() + SWEEP_MS;
  #loop: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#leader = new Leader(options.databaseUrl, options.log, async () => {
      await options.registry.refresh();
      const count = await reclaimJobs(options.database, this.#executor);
      if (count > 0) options.log("info", "took over calls of an executor that is gone", { count });
      this.#wake.now();
    });
  }

  start(): void {
    this.#leader.start();
    this.#loop = this.#run();
  }

  /** Says that there may be something to do. */
  wake(): void {
    this.#wake.now();
  }

  /** Lets calls under way answer for a moment; the rest is taken over by the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake.now();
    await this.#loop;
    const grace = setTimeout(() => this.#abort.abort(), STOP_GRACE_MS);
    await Promise.allSettled(this.#inFlight);
    clearTimeout(grace);
    await this.#leader.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#wake.wait(this.#leader.held ? await this.#round() : NOT_LEADER_MS);
      } catch (error) {
        const level = isTransient(error) ? "warn" : "error";
        this.#options.log(level, "a round failed", { error: messageOf(error) });
        await this.#wake.wait(AFTER_ERROR_MS);
      }
    }
  }

  /** One look at everything. Returns how many milliseconds may pass before the next. */
  async #round(): Promise<number> {
    const { database, registry } = this.#options;
    const routed = await this.#routeEvents();
    const fired = await fireTimers(database, registry);
    const started = await this.#startJobs();
    if (Date.now() > this.#nextSweepAt) {
      this.#nextSweepAt = Date.now() + SWEEP_MS;
      await sweep(database);
    }
    if (routed + fired + started > 0) return 0;
    return Math.min(await nextDueMs(database), IDLE_MS);
  }

  async #routeEvents(): Promise<number> {
    const { database, registry, log } = this.#options;
    const waiting = await database.rows<{ internal_id: string }>(
      `select internal_id
       from inngest.events
       where handled_at is null
       order by position
       limit $1`,
      [EVENTS_PER_ROUND],
    );
    if (waiting.length > 0) await registry.refresh();
    for (const { internal_id: id } of waiting) {
      try {
        await database.transaction((session) => routeEvent(session, registry, id));
      } catch (error) {
        if (isTransient(error)) throw error;
        // One bad event must not hold up those behind it.
        log("error", "an event could not be handled", { event: id, error: messageOf(error) });
        await database.transaction((session) => markHandled(session, id, messageOf(error)));
      }
    }
    return waiting.length;
  }

  async #startJobs(): Promise<number> {
    const room = IN_FLIGHT_MAX - this.#inFlight.size;
    if (room <= 0 || this.#options.held()) return 0;
    const jobs = await claimJobs(this.#options.database, this.#slots, this.#executor, room);
    for (const job of jobs) {
      const call = this.#perform(job).finally(() => {
        this.#inFlight.delete(call);
        this.#slots.release(job.slots);
        this.#wake.now();
      });
      this.#inFlight.add(call);
    }
    return jobs.length;
  }

  /** Never rejects: a call that cannot be dealt with is postponed. */
  async #perform(job: Job): Promise<void> {
    const { database, registry, backoff, log } = this.#options;
    try {
      const config = registry.get(job.functionId)?.config;
      const state = await loadState(database, job, config);
      if (!state) return;
      if (!config) throw new Error(`No app has registered the function ${job.functionId}`);
      const outcome =
        tooManySteps(state.steps.length) ?? (await callFunction(config, job, state, this.#callOptions));
      if (this.#abort.signal.aborted) return;
      if (outcome.kind === "error") {
        log("warn", "a call failed", {
          function: job.functionId,
          run: job.runId,
          error: outcome.error.message,
        });
      }
      await applyOutcome(database, config, job, outcome, backoff);
    } catch (error) {
      log("error", "a call could not be dealt with", { run: job.runId, error: messageOf(error) });
      await postponeJob(database, job, POSTPONE_MS).catch(() => {});
    }
  }

  get #callOptions(): { checkpointing: boolean; signal: AbortSignal } {
    return { checkpointing: this.#options.checkpointing, signal: this.#abort.signal };
  }
}

function tooManySteps(count: number): Outcome | undefined {
  if (count <= STEPS_PER_RUN_MAX) return undefined;
  const message = `The run has more than ${STEPS_PER_RUN_MAX} steps`;
  return { kind: "error", error: { name: "Error", message }, retry: false, retryAt: null };
}
