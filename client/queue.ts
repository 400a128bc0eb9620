import { BATCH_MAX, newLane, takeBatch, toEntry, type Entry, type Lane, type Write } from "./entry.ts";
import { AuditClientError } from "./errors.ts";
import { atExit, notAtExit } from "./exit.ts";
import type { Counts, Settings } from "./options.ts";
import { Pause } from "./pause.ts";
import { pauseMs, sleep } from "./retry.ts";

const AT_ONCE_MAX = 8;
/** So often may one write make the service fail while it stores others. */
const FAULTS_MAX = 5;

/** A write for which there was no room, and how to tell its caller that it need not wait any more. */
interface Outsider {
  entry: Entry;
  tell(): void;
}

/**
 * Writes on their way to the service: bounded, in order per lane, tried again after a pause. A
 * batch that fails is halved until the write that is at fault stands alone; what the service refuses is given up.
 */
export class Queue {
  readonly #settings: Settings;
  readonly #counts: Counts;
  readonly #send: (batch: Write[]) => Promise<unknown>;
  readonly #waits: boolean;
  readonly #pause: Pause;
  readonly #lanes = new Map<string, Lane>();
  readonly #entries = new Set<Entry>();
  readonly #outside: Outsider[] = [];
  #chars = 0;
  #onItsWay = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #isClosed = false;

  /** `send` throws an AuditClientError unless the whole batch is stored. */
  constructor(settings: Settings, counts: Counts, send: (batch: Write[]) => Promise<unknown>) {
    this.#settings = settings;
    this.#counts = counts;
    this.#send = send;
    this.#waits = settings.mode === "required";
    this.#pause = new Pause(this.#waits);
  }

  /** Writes that wait or are on their way. */
  get size(): number {
    return this.#entries.size + this.#outside.length;
  }

  /** Takes a write. Buffered, it resolves once it is kept or dropped; required, once it is stored, and throws if not. */
  async add(write: Write): Promise<void> {
    const entry = toEntry(write);
    const isFull = this.#outside.length > 0 || !this.#hasRoom(entry);
    if (this.#isClosed) this.#end(entry, new AuditClientError("closed", "The client is closed."));
    else if (!isFull) this.#admit(entry);
    else if (!this.#mayWait(entry)) this.#end(entry, queueFull());
    else await new Promise<void>((tell) => this.#outside.push({ entry, tell }));
    if (this.#waits) {
      const error = await entry.done;
      if (error) throw error;
    } else {
      this.#settings.waitUntil?.(this.#within(this.#settings.flushTimeoutMs, [entry]));
    }
  }

  /** Whether anything in a lane is unsent. */
  has(lane: string): boolean {
    return this.#all().some((entry) => entry.lane === lane);
  }

  /** Resolves when what waits in a lane now is stored or given up, after timeoutMs at most. */
  async settled(lane: string): Promise<void> {
    const entries = this.#all().filter((entry) => entry.lane === lane);
    await this.#within(this.#settings.timeoutMs, entries);
  }

  /** Sends what waits now, and resolves with how much of it is unsent after flushTimeoutMs. */
  async flush(): Promise<number> {
    const entries = this.#all();
    this.#pause.skip();
    for (const lane of this.#lanes.values()) lane.pausedUntil = 0;
    this.#pump();
    return this.#within(this.#settings.flushTimeoutMs, entries);
  }

  /** Flushes, gives up what is unsent then, and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.flush();
    this.abandon("closed");
  }

  /** Gives up all that is unsent, at once. */
  abandon(code: "closed" | "exit"): void {
    const error = new AuditClientError(code, "It was unsent when the client ended.");
    this.#lanes.clear();
    this.#expelOutsiders(error);
    for (const entry of this.#entries) this.#end(entry, error);
  }

  #all(): Entry[] {
    return [...this.#entries, ...this.#outside.map(({ entry }) => entry)];
  }

  #hasRoom({ body }: Entry): boolean {
    const { queueMax, queueCharsMax } = this.#settings;
    return this.#entries.size < queueMax && this.#chars + body.length <= queueCharsMax;
  }

  /** While the service is away, waiting for room would only slow the callers. */
  #mayWait({ body }: Entry): boolean {
    const { queueMax, queueCharsMax } = this.#settings;
    return !this.#pause.isAway && this.#outside.length < queueMax && body.length <= queueCharsMax;
  }

  #admit(entry: Entry): void {
    if (this.#entries.size === 0) atExit(this);
    this.#entries.add(entry);
    this.#chars += entry.body.length;
    const { lane: name, isBatched } = entry;
    const lane = this.#lanes.get(name) ?? newLane(isBatched);
    this.#lanes.set(name, lane);
    lane.waiting.push(entry);
    if (this.#waits) this.#pump();
    else this.#wake(this.#settings.lingerMs);
  }

  /** Starts as many requests as may run at once, but for what pauses. */
  #pump(): void {
    let leftMs = this.#pause.leftMs;
    if (leftMs > 0) return this.#wake(leftMs);
    leftMs = Infinity;
    for (const [name, lane] of this.#lanes) {
      if (this.#onItsWay >= AT_ONCE_MAX) return;
      if (lane.isBusy || lane.waiting.length === 0) continue;
      const pause = lane.pausedUntil - performance.now();
      if (pause > 0) leftMs = Math.min(leftMs, pause);
      else void this.#sendNext(name, lane);
    }
    if (leftMs < Infinity) this.#wake(leftMs);
  }

  #wake(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      this.#pump();
    }, ms);
    // A process that has nothing else to do need not wait for a pause: it flushes when it ends.
    if (!this.#waits) (this.#timer as { unref?(): void }).unref?.();
  }

  async #sendNext(name: string, lane: Lane): Promise<void> {
    const batch = takeBatch(lane);
    const startedAt = performance.now();
    lane.isBusy = true;
    this.#onItsWay++;
    for (const entry of batch) entry.isOnItsWay = true;
    try {
      await this.#send(batch);
      this.#pause.answered();
      if (batch[0]?.isBatched) lane.batchMax = Math.min(BATCH_MAX, lane.batchMax * 2);
      for (const entry of batch) this.#end(entry);
    } catch (error) {
      this.#failed(lane, batch, error as AuditClientError, startedAt);
    }
    lane.isBusy = false;
    this.#onItsWay--;
    if (lane.waiting.length === 0 && this.#lanes.get(name) === lane) this.#lanes.delete(name);
    this.#pump();
  }

  #failed(lane: Lane, batch: Entry[], error: AuditClientError, startedAt: number): void {
    if (error.isTransient) {
      this.#pause.failed(error, startedAt);
      const attempts = Math.min(...batch.map((entry) => entry.attempts)) + 1;
      lane.pausedUntil = performance.now() + pauseMs(attempts, error, this.#waits);
      if (this.#pause.isAway) this.#expelOutsiders(queueFull());
    }
    const isAlone = batch.length === 1;
    if (!isAlone) lane.batchMax = Math.ceil(batch.length / 2);
    const kept = batch.filter((entry) => {
      if (!this.#entries.has(entry)) return false;
      entry.attempts++;
      entry.isOnItsWay = false;
      entry.isUncertain ||= error.isUncertain;
      if (!this.#givesUp(entry, error, isAlone)) return true;
      this.#end(entry, error);
      return false;
    });
    if (kept.length > 0) this.#counts.retries++;
    if (isAlone && batch[0]?.isBatched && error.status === 500 && lane.waiting.length > 0) {
      // Perhaps it alone is at fault: it lets the others pass, or none would be stored until it is given up.
      lane.waiting.push(...kept);
      lane.pausedUntil = 0;
    } else {
      lane.waiting.unshift(...kept);
    }
  }

  #givesUp(entry: Entry, error: AuditClientError, isAlone: boolean): boolean {
    const { status, isTransient } = error;
    // A refused key is refused for all of them.
    if (!isTransient) return isAlone || status === 401 || status === 403;
    if (this.#waits) return entry.attempts >= this.#settings.attempts;
    if (isAlone && status === 500 && entry.storedThen !== this.#counts.stored) {
      entry.storedThen = this.#counts.stored;
      entry.faults++;
    }
    return entry.faults >= FAULTS_MAX;
  }

  /** Notes that a write is stored, or gives it up; what was given up already stays so. */
  #end(entry: Entry, error?: AuditClientError): void {
    if (this.#entries.delete(entry)) this.#chars -= entry.body.length;
    else if (!error) return;
    if (error) this.#report(entry, error);
    else this.#counts.stored++;
    entry.settle(error);
    if (this.#entries.size === 0) notAtExit(this);
    for (let next = this.#outside[0]; next && this.#hasRoom(next.entry); next = this.#outside[0]) {
      this.#outside.shift();
      this.#admit(next.entry);
      next.tell();
    }
  }

  #expelOutsiders(error: AuditClientError): void {
    for (const { entry, tell } of this.#outside.splice(0)) {
      this.#end(entry, error);
      tell();
    }
  }

  #report({ kind, id, body, isOnItsWay, isUncertain }: Entry, error: AuditClientError): void {
    const mayBeStored = isOnItsWay || isUncertain;
    this.#settings.onDropped({ kind, id, body: JSON.parse(body) as unknown, error, mayBeStored });
  }

  /** Resolves with how many of them are neither stored nor given up after this time, at once when all are. */
  async #within(ms: number, entries: Entry[]): Promise<number> {
    const open = new Set(entries);
    if (open.size === 0) return 0;
    const limit = sleep(ms);
    await Promise.race([Promise.all(entries.map((one) => one.done.then(() => open.delete(one)))), limit]);
    limit.cancel();
    return open.size;
  }
}

const queueFull = () =>
  new AuditClientError("queue_full", "Too many writes wait for the audit service already.");
