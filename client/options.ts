import type { AuditClientError } from "./errors.ts";

export type Backend = "memory" | "dual" | "database";
export type Mode = "required" | "buffered";

/** A write that the client gave up. */
export interface DroppedWrite {
  kind: "event" | "trail" | "trail update";
  /** The event's id, or the message's. */
  id: string;
  /** What was to be written, as it would have been sent; an event or a trail can be imported by `npx afterimage import`. */
  body: unknown;
  error: AuditClientError;
  /** It was sent, and one attempt had no answer that refused it: it may be stored all the same, or yet. */
  mayBeStored: boolean;
}

/** A field in which the memory and the database differ in dual mode; `*` when the database lacks the trail. */
export interface Difference {
  messageId: string;
  field: string;
  memory: unknown;
  database: unknown;
}

/** What became of the writes and reads so far. */
export interface Counts {
  stored: number;
  dropped: number;
  /** Requests of writes that failed for now. */
  retries: number;
  /** Reads of dual mode that were compared, and the differing fields in them. */
  compared: number;
  differences: number;
}

/** Numbers are whole ones from 1, times in milliseconds. */
export interface AuditClientOptions {
  /** memory if left out. It may come straight from a variable: anything else is refused. */
  backend?: Backend | (string & {}) | undefined;
  /**
   * What a write does while the service is away. required: it waits for the answer, and throws when there is none.
   * buffered: it is kept, and sent in the background. required if left out.
   */
  mode?: Mode | (string & {}) | undefined;
  /** Of the service, without /api: `https://audit.example.com`. Not needed by the memory backend. */
  url?: string | undefined;
  apiKey?: string | undefined;
  /** One attempt of a request, 5,000 if left out. */
  timeoutMs?: number | undefined;
  /**
   * How long a request is tried again while its caller waits: that of a read, or of a write in required mode; buffered,
   * how long a write waits for room in a full queue. 15,000 if left out.
   */
  deadlineMs?: number | undefined;
  /** Requests with writes that are on their way at once, 8 if left out. */
  requestsMax?: number | undefined;
  /** Writes that the queue holds at most, 10,000 if left out; as many again wait for room, with their callers. */
  queueMax?: number | undefined;
  /** Characters of JSON that the queue holds at most, 16 Mi if left out. */
  queueCharsMax?: number | undefined;
  /** How long a buffered write may wait for others to be sent with it, 20 if left out. */
  lingerMs?: number | undefined;
  /** How long flush and close wait for what is queued, 10,000 if left out. */
  flushTimeoutMs?: number | undefined;
  /** Trails, and events, that the memory backend keeps; the oldest goes first. 10,000 if left out. */
  memoryMax?: number | undefined;
  /** Of a serverless platform, bound: keeps the function alive until what was buffered is sent, flushTimeoutMs at most. */
  waitUntil?: ((promise: Promise<unknown>) => void) | undefined;
  /** Gets each write that is given up, also what is unsent when the process ends; there it must not be asynchronous. */
  onDropped?: ((write: DroppedWrite) => void) | undefined;
  /** Gets each difference that a read finds in dual mode. */
  onDifference?: ((difference: Difference) => void) | undefined;
  /** Gets one line that names the backend; console.info if left out. */
  log?: ((line: string) => void) | undefined;
  fetch?: typeof fetch | undefined;
}

const DEFAULTS = {
  timeoutMs: 5_000,
  deadlineMs: 15_000,
  requestsMax: 8,
  queueMax: 10_000,
  queueCharsMax: 16 * 1024 * 1024,
  lingerMs: 20,
  flushTimeoutMs: 10_000,
  memoryMax: 10_000,
};

export type Settings = typeof DEFAULTS &
  Required<Pick<AuditClientOptions, "log" | "fetch" | "onDropped" | "onDifference">> &
  Pick<AuditClientOptions, "waitUntil"> & { backend: Backend; mode: Mode; url: string; apiKey: string };

/** The options with what was left out; throws a TypeError that says what is wrong with them. */
export function settingsOf(options: AuditClientOptions): Settings {
  const settings = {
    ...DEFAULTS,
    backend: "memory",
    mode: "required",
    url: "",
    apiKey: "",
    // oxlint-disable-next-line no-console
    log: console.info,
    // Some runtimes refuse a fetch that is called as another object's method.
    fetch: (...args: Parameters<typeof fetch>) => fetch(...args),
    onDropped: () => undefined,
    onDifference: () => undefined,
  } as Settings & Record<string, unknown>;
  for (const [name, value] of Object.entries(options)) if (value !== undefined) settings[name] = value;
  oneOf("backend", settings.backend, ["memory", "dual", "database"]);
  oneOf("mode", settings.mode, ["required", "buffered"]);
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = settings[name];
    // What is left of it as an integer of 32 bits: of another type, with a fraction or too large for a timer it is not the same.
    if ((value | 0) !== value || value < 1) refuse(name, "1 to 2147483647");
  }
  if (settings.backend !== "memory" && !(/^http/.test(settings.url) && /^[!-~]+$/.test(settings.apiKey)))
    refuse("url (https:) and apiKey", "given");
  settings.url = settings.url.replace(/(\/api)?\/*$/, "");
  return settings;
}

function oneOf(name: string, value: string, values: string[]): void {
  if (!values.includes(value)) refuse(name, `one of ${values}`);
}

function refuse(name: string, must: string): never {
  throw new TypeError(`${name} must be ${must}`);
}
