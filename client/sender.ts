import type { AuditClientError } from "./errors.ts";
import { BATCH_MAX, EVENTS, Lane, type Entry, type Write } from "./lane.ts";
import type { Counts, Settings } from "./options.ts";
import { PAUSE_LONG_MAX_MS, PAUSE_SHORT_MAX_MS, pauseMs } from "./retry.ts";

/** The service counts as away after so many failures in a row. */
const AWAY_AFTER = 3;
/** So often may one write make the service fail while it stores others; with the pauses between that takes minutes. */
const FAULTS_MAX = 20;

/** Throws an AuditClientError unless the whole batch is stored. */
export type SendBatch = (batch: Write[]) => Promise<unknown>;
/** A write is stored, or is not to be sent again. */
type End = (entry: Entry, error?: AuditClientError) => void;

/**
 * Sends writes: in order per lane, several lanes at once, again after a pause. A batch that is refused is halved until the
 * write that is at fault stands alone.
 */
export interface Sender {
  /** Each holds a write, or is busy. */
  readonly lanes: ReadonlyMap<string, Lane>;
  add(entry: Entry): void;
  /** False if it is not here. */
  remove(entry: Entry): boolean;
  isAway(): boolean;
  /** Ends all pauses but one that the service asked for. */
  hurry(): void;
}

export function createSender(
  settings: Settings,
  counts: Counts,
  send: SendBatch,
  end: End,
  away: () => void,
): Sender {
  const isRequired = settings.mode === "required";
  const pauseMaxMs = isRequired ? PAUSE_SHORT_MAX_MS : PAUSE_LONG_MAX_MS;
  const lanes = new Map<string, Lane>();
  /** In a row, of requests that were not on their way together; the pause then is everybody's. */
  let failures = 0;
  /** The last failure was a 429: the service is there, and its pause is to be kept. */
  let isLimited = false;
  let failedAt = 0;
  /** When a write was last stored, and one of each kind. */
  let storedAt = 0;
  const storedAtOf = {} as Record<Write["kind"], number>;
  let pausedUntil = 0;
  let onItsWay = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAt = Infinity;

  const isAway = () => !isLimited && failures >= AWAY_AFTER;

  function put(entry: Entry): Lane {
    const lane = lanes.get(entry.lane) ?? new Lane();
    lanes.set(entry.lane, lane);
    lane.entries.add(entry);
    return lane;
  }

  /** Starts as many requests as may run at once, but for what pauses. */
  function pump(): void {
    let leftMs = pausedUntil - performance.now();
    if (leftMs <= 0) {
      leftMs = Infinity;
      for (const [name, lane] of lanes) {
        if (onItsWay >= settings.requestsMax) return;
        if (lane.isBusy) continue;
        const laneMs = lane.pausedUntil - performance.now();
        if (laneMs > 0) leftMs = Math.min(leftMs, laneMs);
        else void sendNext(name, lane);
      }
    }
    if (leftMs < Infinity) wake(leftMs);
  }

  function wake(ms: number): void {
    const at = performance.now() + ms;
    if (at >= timerAt) return;
    clearTimeout(timer);
    timerAt = at;
    timer = setTimeout(() => {
      timerAt = Infinity;
      pump();
    }, ms);
    // It keeps no process alive: callers that wait do, and the rest is flushed when the process ends.
    (timer as { unref?(): void }).unref?.();
  }

  async function sendNext(name: string, lane: Lane): Promise<void> {
    const batch = lane.batch();
    const startedAt = performance.now();
    lane.isBusy = true;
    onItsWay++;
    for (const entry of batch) entry.open++;
    try {
      await send(batch);
      failures = lane.failures = 0;
      storedAtOf[(batch[0] as Entry).kind] = storedAt = performance.now();
      lane.batchMax = Math.min(BATCH_MAX, lane.batchMax * 2);
      for (const entry of batch) end(entry);
    } catch (error) {
      failed(lane, batch, error as AuditClientError, startedAt);
    }
    lane.isBusy = false;
    onItsWay--;
    // The other lanes come first now.
    lanes.delete(name);
    if (lane.entries.size > 0) lanes.set(name, lane);
    pump();
  }

  function failed(lane: Lane, batch: Entry[], error: AuditClientError, startedAt: number): void {
    const [first, another] = batch as [Entry, Entry?];
    const { status = 500, isTransient } = error;
    // A key that the service refuses is refused for all of them; anything on the way may refuse what one of them holds.
    const isFinal = !isTransient && (!another || /^(unauth|forb)/.test(error.code));
    for (const entry of batch) {
      if (!isTransient) entry.open--;
      entry.error = error;
      if (isFinal) end(entry, error);
    }
    if (isFinal) return;
    counts.retries++;
    lane.batchMax = Math.ceil(batch.length / 2);
    // A write can take the service down, or too long, as well as fail in it; the service's own 503 is nobody's fault.
    const isFault = status >= 500 && error.code !== "unavailable";
    // One of several may be at fault, and is looked for without a pause.
    if (another && (isFault || !isTransient)) return;
    // If others were stored since the last time, the fault is its own; if none of its kind was, perhaps their route's.
    if (!isFault || storedAt < first.failedAt) serviceFailed(error, startedAt);
    else if (storedAtOf[first.kind] > first.failedAt) first.faults++;
    const paused = isFault ? suspect(first, lane) : lane;
    // A suspect goes after the others.
    const from = Math.max(isFault ? pausedUntil : 0, performance.now());
    paused.pausedUntil = from + pauseMs(++paused.failures, error, pauseMaxMs);
  }

  function serviceFailed(error: AuditClientError, startedAt: number): void {
    if (startedAt < failedAt || error.code === "request_running") return;
    failedAt = performance.now();
    const wasLimited = isLimited;
    isLimited = error.status === 429;
    // The one in a row says nothing of the other.
    failures = isLimited === wasLimited ? failures + 1 : 1;
    if (isLimited || isAway()) pausedUntil = failedAt + pauseMs(failures, error, pauseMaxMs);
    if (isAway()) away();
  }

  /** Keeps a write with which the service fails from hindering others, in a lane of its own, which it answers. */
  function suspect(entry: Entry, lane: Lane): Lane {
    entry.failedAt = performance.now();
    if (entry.faults === FAULTS_MAX) end(entry, entry.error);
    if (entry.lane !== EVENTS || !lane.entries.delete(entry)) return lane;
    entry.lane += ` ${entry.id}`;
    return put(entry);
  }

  return {
    lanes,
    add: (entry) => {
      put(entry);
      if (isRequired) pump();
      else wake(settings.lingerMs);
    },
    remove: (entry) => {
      const lane = lanes.get(entry.lane);
      if (!lane?.entries.delete(entry)) return false;
      // One that is on its way keeps its lane: the next must not overtake it.
      if (lane.entries.size === 0 && !lane.isBusy) lanes.delete(entry.lane);
      return true;
    },
    isAway,
    hurry: () => {
      if (!isLimited) pausedUntil = 0;
      for (const lane of lanes.values()) lane.pausedUntil = 0;
      pump();
    },
  };
}
