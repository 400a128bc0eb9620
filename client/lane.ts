import type { AuditClientError } from "./errors.ts";
import type { Request } from "./http.ts";
import type { DroppedWrite } from "./options.ts";

/** Where events go, and the only lane whose writes go together. */
export const EVENTS = "/audit/log/batch";
export const BATCH_MAX = 100;
const BATCH_CHARS_MAX = 1024 * 1024;

export interface Write extends Request {
  kind: DroppedWrite["kind"];
  id: string;
  /** JSON */
  body: string;
}

/** A write in the queue. */
export interface Entry extends Write {
  /** Writes of one lane are sent in their order, those of different ones at once. */
  lane: string;
  /** Why it is not stored yet. */
  error?: AuditClientError;
  /** Attempts that were not refused: one of them may have stored it. */
  open: number;
  /** How often the service failed with it alone while it stored others of its kind. */
  faults: number;
  /** When it last failed with it alone, in performance.now()'s milliseconds. */
  failedAt: number;
  isDone: boolean;
  /** Resolves when it is stored (undefined) or given up. */
  done: Promise<AuditClientError | undefined>;
  settle(error?: AuditClientError): void;
}

export function toEntry(write: Write): Entry {
  const entry = {
    ...write,
    lane: write.path,
    open: 0,
    isDone: false,
    faults: 0,
    failedAt: Infinity,
  } as Entry;
  entry.done = new Promise((settle) => {
    entry.settle = settle;
  });
  return entry;
}

/** Writes that go one after the other. They stay in it, on their way too, until they are stored or given up. */
export class Lane {
  readonly entries = new Set<Entry>();
  isBusy = false;
  /** In a row. */
  failures = 0;
  /** In performance.now()'s milliseconds. */
  pausedUntil = 0;
  batchMax = BATCH_MAX;

  /** The first of them: one at least, and no more than one request may hold. */
  batch(): Entry[] {
    const batch: Entry[] = [];
    let chars = 0;
    for (const entry of this.entries) {
      chars += entry.body.length;
      const isFull = entry.lane !== EVENTS || batch.length === this.batchMax || chars > BATCH_CHARS_MAX;
      if (isFull && batch.length > 0) break;
      batch.push(entry);
    }
    return batch;
  }
}
