import { AuditClientError, noAnswer } from "./errors.ts";
import { endings, type Ending } from "./exit.ts";
import { toEntry, type Entry, type Write } from "./lane.ts";
import type { Counts, Settings } from "./options.ts";
import { atMost, inTime } from "./retry.ts";
import { createSender, type SendBatch } from "./sender.ts";

/** What waits for the service, in bounds, from when a caller writes it until it is stored or given up. */
export interface Queue extends Ending {
  /** Writes that wait or are on their way. */
  size(): number;
  /**
   * Takes a write. Buffered, it resolves once it is kept or dropped; required, once it is stored, and throws if not. A
   * caller waits for deadlineMs at most.
   */
  add(write: Write): Promise<void>;
  /** Waits for what is in a lane now, for timeoutMs at most; whether the lane, and what waits for room, is empty then. */
  isSettled(path: string): Promise<boolean>;
  /** Sends what waits now, and resolves with how much of it is unsent after flushTimeoutMs. */
  flush(): Promise<number>;
  /** Flushes, gives up what is unsent then, and takes no more. */
  close(): Promise<void>;
}

export function createQueue(settings: Settings, counts: Counts, send: SendBatch): Queue {
  const { deadlineMs, flushTimeoutMs, onDropped, queueCharsMax, queueMax, timeoutMs, waitUntil } = settings;
  const isRequired = settings.mode === "required";
  /** Writes for which there is no room, and how to tell their callers that they need not wait any more. */
  const outside = new Map<Entry, () => void>();
  let inside = 0;
  let chars = 0;
  let isClosed = false;
  const sender = createSender(settings, counts, send, end, () => {
    // Waiting for room would only slow the callers.
    for (const entry of outside.keys()) end(entry, entry.error);
  });

  const hasRoom = ({ body }: Entry) => inside < queueMax && chars + body.length <= queueCharsMax;

  function admit(entry: Entry): void {
    if (inside++ === 0) endings.set(queue, false);
    delete entry.error;
    chars += entry.body.length;
    sender.add(entry);
  }

  /** Keeps or drops it; a promise when it has to wait for room first. */
  function take(entry: Entry): Promise<void> | undefined {
    if (isClosed) end(entry, ended("closed"));
    else if (outside.size === 0 && hasRoom(entry)) admit(entry);
    else {
      entry.error = new AuditClientError("queue_full", "The queue is full.");
      if (outside.size < queueMax && entry.body.length <= queueCharsMax && !sender.isAway())
        return new Promise((tell) => outside.set(entry, tell));
      end(entry, entry.error);
    }
    return undefined;
  }

  /** Notes that a write is stored, or gives it up; what was given up already stays so. */
  function end(entry: Entry, error?: AuditClientError): void {
    if (entry.isDone) return;
    entry.isDone = true;
    if (sender.remove(entry)) {
      inside--;
      chars -= entry.body.length;
    }
    outside.get(entry)?.();
    outside.delete(entry);
    const { kind, id, body, open } = entry;
    if (error) onDropped({ kind, id, body: JSON.parse(body) as unknown, error, mayBeStored: open > 0 });
    else counts.stored++;
    entry.settle(error);
    if (inside === 0) endings.delete(queue);
    for (const [next, tell] of outside) {
      if (!hasRoom(next)) return;
      outside.delete(next);
      admit(next);
      tell();
    }
  }

  /** What a caller waits for; after deadlineMs the write is given up. The timer keeps the process alive for it. */
  const beforeDeadline = <T>(entry: Entry, awaited: Promise<T>) =>
    inTime(deadlineMs, awaited, () => end(entry, entry.error ?? noAnswer("timeout")));

  /** Resolves with how many of them are neither stored nor given up after this time, at once when all are. */
  async function within(ms: number, entries: Entry[]): Promise<number> {
    // One after the other: a Promise.all would hang on each of them until it ends, for every flush while the service is away.
    const left = [...entries];
    const all = async () => {
      for (const one of left) await one.done;
    };
    await atMost(ms, all());
    left.length = 0;
    return entries.filter((one) => !one.isDone).length;
  }

  const all = () => [...[...sender.lanes.values()].flatMap((lane) => [...lane.entries]), ...outside.keys()];

  const queue: Queue = {
    size: () => inside + outside.size,
    add: async (write) => {
      const entry = toEntry(write);
      const kept = take(entry);
      if (isRequired) {
        const error = await beforeDeadline(entry, entry.done);
        if (error) throw error;
      } else {
        waitUntil?.(within(flushTimeoutMs, [entry]));
        if (kept) await beforeDeadline(entry, kept);
      }
    },
    isSettled: async (path) => {
      // By its path, and not its lane: an event that made the service fail has one of its own.
      const unsent = () => all().filter((one) => one.path === path);
      await within(timeoutMs, unsent());
      return unsent().length === 0 && !sender.lanes.has(path);
    },
    flush: () => {
      const entries = all();
      sender.hurry();
      return within(flushTimeoutMs, entries);
    },
    close: async () => {
      isClosed = true;
      await queue.flush();
      queue.abandon("closed");
    },
    abandon: (code) => {
      const entries = all();
      for (const tell of outside.values()) tell();
      outside.clear();
      for (const entry of entries) end(entry, ended(code));
    },
  };
  return queue;
}

const ended = (code: string) => new AuditClientError(code, "The client is closed.");
