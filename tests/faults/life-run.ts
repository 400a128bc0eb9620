import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { resendWaiting } from "../../services/requests/resend-waiting.ts";
import { workerContext } from "../../services/runtime.ts";
import { storeLives, type Stored, type Variant } from "./life-data.ts";
import { isFeltByReaders, strike, type Fault } from "./life-faults.ts";
import { coldContents, outcomeOf, type Outcome } from "./life-outcome.ts";
import type { Lane } from "./life-stage.ts";
import { patiently, startTraffic, type Traffic } from "./life-traffic.ts";

const POLL_MS = 60;
const END_TIMEOUT_MS = 120_000;
/** A job that failed, or left something because the tables were busy, is run again the next night. */
const NIGHTS_MAX = 4;
const PIN_DELAY_MS_MAX = 800;

export interface Hit {
  point: string;
  fault: Fault;
}

export interface LifeRun {
  number: number;
  variant: Variant;
  hit: Hit | null;
  random: () => number;
}

export interface LifeResult extends Outcome {
  isHit: boolean;
  /** Jobs that were run again. */
  again: number;
  reads: number;
  unavailable: number;
  events: number;
}

/**
 * One life of some hundred events, with a fault at one point or without: a night that archives and writes cold files, one in
 * which what was brought back goes again, and an approved purge. A writer and a reader go on meanwhile.
 */
export async function runLife(lane: Lane, { number, variant, hit, random }: LifeRun): Promise<LifeResult> {
  const run = `r${number}-${randomBytes(3).toString("hex")}`;
  const stored = await storeLives(lane, run, variant);
  const pinAfterMs = random() < 0.5 ? random() * PIN_DELAY_MS_MAX : null;
  await lane.pauses.begin(hit?.point ?? null);
  const traffic = startTraffic(lane, run, stored, random);
  let isOver = false;
  const striking = watch(lane, hit, () => isOver);
  const course = new Course(lane, striking);
  const before = await live(course, stored, traffic, pinAfterMs).finally(() => (isOver = true));
  const struck = await striking.done;
  const seen = await traffic.stop();
  await course.settled();
  const outcome = await outcomeOf(lane, stored, before);
  if (seen.unavailable > 0 && !(hit !== null && isFeltByReaders(hit.fault.kind)))
    seen.problems.push(`${seen.unavailable} reads were answered with 503`);
  return {
    ...outcome,
    problems: [...outcome.problems, ...struck.problems, ...seen.problems, ...course.problems],
    isHit: struck.isHit,
    again: course.again,
    reads: seen.reads,
    unavailable: seen.unavailable,
    events: stored.written.size,
  };
}

interface Striking {
  isUnderWay(): boolean;
  done: Promise<{ isHit: boolean; problems: string[] }>;
}

function watch(lane: Lane, hit: Hit | null, isOver: () => boolean): Striking {
  let isUnderWay = false;
  const wait = async () => {
    if (hit === null) return { isHit: false, problems: [] };
    const held = await lane.pauses.held(isOver);
    if (held.length === 0) {
      await lane.pauses.release();
      return { isHit: false, problems: [] };
    }
    isUnderWay = true;
    const problems = await strike(lane, held, hit.fault).finally(() => (isUnderWay = false));
    return { isHit: true, problems };
  };
  return { isUnderWay: () => isUnderWay, done: wait() };
}

/** Answers what each cold file held before the purge. */
async function live(
  course: Course,
  stored: Stored,
  traffic: Traffic,
  pinAfterMs: number | null,
): Promise<Map<string, string[]>> {
  const { lane } = course;
  const pin = async (id: string) => {
    const body = { keepDays: 5, reason: "a question" };
    const { status } = await patiently(lane, lane.keys.asker, "POST", `/audit/events/${id}/unarchive`, body);
    if (status !== 200) course.problems.push(`bringing an event back was answered with ${status}`);
  };
  await pin(stored.late);
  await lane.pauses.enter("night 1");
  const pinning = pinAfterMs !== null && sleep(pinAfterMs).then(() => pin(stored.pinnable));
  await course.runJob("archive-events");
  await pinning;
  await lane.sql("update audit.audit_archive_pins set pinned_until = now() where event_id = $1", [
    stored.late,
  ]);
  // What autovacuum does within minutes.
  await lane.sql("vacuum audit.audit_events, audit.audit_events_archive");
  await lane.pauses.enter("night 2");
  await course.runJob("archive-events");
  await lane.pauses.enter("purge");
  await course.runJob("purge-cold");
  const before = await coldContents(lane, course.problems);
  await course.purge((files) => traffic.release(files.flatMap((key) => before.get(key) ?? [])));
  return before;
}

/** Asks for what a run does next, and waits until that has ended. */
class Course {
  readonly lane: Lane;
  readonly problems: string[] = [];
  again = 0;
  #striking: Striking;

  constructor(lane: Lane, striking: Striking) {
    this.lane = lane;
    this.#striking = striking;
  }

  /** Runs a job until one run of it has done all that is due. */
  async runJob(id: string): Promise<void> {
    for (let night = 1; night <= NIGHTS_MAX; night++) {
      const { body } = await patiently(this.lane, this.lane.keys.asker, "POST", `/jobs/${id}/run`);
      const row = await this.#until(
        `${id} to end`,
        "select status, coalesce(result ->> 'remains', 'false') as remains from audit.job_runs where id = $1 and status not in ('requested', 'running')",
        [body.id],
      );
      if (row === null || (row.status === "completed" && row.remains === "false")) return;
      this.again++;
    }
    this.problems.push(`${id} did not do its work in ${NIGHTS_MAX} runs`);
  }

  /** Approves the purge that waits; `approved` hears of its files just before. */
  async purge(approved: (files: string[]) => void): Promise<void> {
    const [waiting] = await this.lane.sql(
      `select p.id, array(select f.object_key from audit.cold_months f where f.id = any (p.files)) as files,
         (select count(*)::int from audit.cold_months where purged_at is not null) as purged
       from audit.purges p where p.status = 'awaiting_approval'`,
    );
    if (!waiting) return void this.problems.push("no purge was proposed");
    if (waiting.purged !== 0) this.problems.push("files were purged before anybody approved");
    approved(waiting.files as string[]);
    const { status } = await patiently(
      this.lane,
      this.lane.keys.approver,
      "POST",
      `/purges/${waiting.id as string}/approve`,
      {},
    );
    // An answer that was lost was an approval.
    if (status !== 200 && status !== 409) this.problems.push(`the approval was answered with ${status}`);
    const row = await this.#until(
      "the purge to end",
      "select status from audit.purges where id = $1 and status not in ('approved', 'awaiting_approval')",
      [waiting.id],
    );
    if (row !== null && row.status !== "completed")
      this.problems.push(`the purge is ${row.status as string}`);
  }

  /** Until the engine has nothing to do any more. */
  async settled(): Promise<void> {
    await this.#until(
      "the engine to be done",
      `select where not exists (select from inngest.runs where status = 'Running')
         and not exists (select from inngest.events where handled_at is null)`,
      [],
    );
  }

  async #until(what: string, text: string, values: unknown[]): Promise<Record<string, unknown> | null> {
    const deadline = Date.now() + END_TIMEOUT_MS;
    for (;;) {
      const [row] = await this.lane.sql(text, values);
      // What comes next is asked of parts that are back in their places.
      if (row && !this.#striking.isUnderWay()) return row;
      if (Date.now() > deadline) break;
      await this.#hasten();
      await sleep(POLL_MS);
    }
    this.problems.push(`waited in vain for ${what}`);
    return null;
  }

  /** Makes sleeps end, and has sent again what the engine did not hear of, as watch-schedules has it after a minute. */
  async #hasten(): Promise<void> {
    const { lane } = this;
    await lane.sql("update inngest.waits set due_at = now() where kind = 'sleep' and due_at > now()");
    await lane.sql(
      `update audit.workflow_requests set created_at = now() - interval '2 minutes', last_sent_at = null
       where picked_up_at is null and created_at between now() - interval '1 minute' and now() - interval '2 s'`,
    );
    await resendWaiting(workerContext(lane.runtime)).catch(() => undefined);
  }
}
