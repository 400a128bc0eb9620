import type { AuditClientError } from "./errors.ts";
import type { DroppedWrite } from "./options.ts";

export const BATCH_MAX = 100;
const BATCH_CHARS_MAX = 1024 * 1024;

export interface Write {
  kind: DroppedWrite["kind"];
  id: string;
  /** Writes of one lane are sent in their order, those of different ones at once. */
  lane: string;
  /** Whether writes of its lane may go together. */
  isBatched: boolean;
  /** JSON */
  body: string;
  /** The same in every attempt, so that one that arrives late does nothing. */
  idempotencyKey?: string;
}

/** A write in the queue. */
export interface Entry extends Write {
  attempts: number;
  faults: number;
  /** How many were stored when it last made the service fail. */
  storedThen: number;
  isOnItsWay: boolean;
  /** An attempt had no answer that says it was not stored. */
  isUncertain: boolean;
  /** Resolves when it is stored (undefined) or given up. */
  done: Promise<AuditClientError | undefined>;
  settle(error?: AuditClientError): void;
}

export interface Lane {
  waiting: Entry[];
  isBusy: boolean;
  batchMax: number;
  /** When it may be tried again, in performance.now()'s milliseconds. */
  pausedUntil: number;
}

export const newLane = (isBatched: boolean): Lane => ({
  waiting: [],
  isBusy: false,
  batchMax: isBatched ? BATCH_MAX : 1,
  pausedUntil: 0,
});

export function toEntry(write: Write): Entry {
  let settle: Entry["settle"] = () => undefined;
  const done = new Promise<AuditClientError | undefined>((resolve) => {
    settle = resolve;
  });
  return {
    ...write,
    attempts: 0,
    faults: 0,
    storedThen: -1,
    isOnItsWay: false,
    isUncertain: false,
    done,
    settle,
  };
}

/** Takes the next batch out of a lane: one at least, and no more than one request may hold. */
export function takeBatch({ waiting, batchMax }: Lane): Entry[] {
  let chars = 0;
  let count = 0;
  for (const { body } of waiting) {
    chars += body.length;
    if (count === batchMax || (count > 0 && chars > BATCH_CHARS_MAX)) break;
    count++;
  }
  return waiting.splice(0, count);
}
