import { RedisError } from "../backend.ts";

const MAX_KEYS = 200_000;

type Value = string | Map<string, string>;

interface Entry {
  /** Grows with each new key, so that a SCAN can go on from where it was although keys come and go. */
  serial: number;
  value: Value;
  /** Milliseconds since 1970, or null: for ever. */
  expiresAt: number | null;
}

interface ScanPage {
  keys: string[];
  /** Serial to go on from; 0 when the scan is complete. */
  next: number;
}

/** Keys with their values and expiry, in the order in which the keys came. */
export class Keyspace {
  private readonly entries = new Map<string, Entry>();
  private lastSerial = 0;

  get(key: string): Value | undefined {
    return this.live(key)?.value;
  }

  /** The string at a key. Throws WRONGTYPE when it holds a hash. */
  getString(key: string): string | undefined {
    const value = this.get(key);
    if (value instanceof Map) throw wrongType();
    return value;
  }

  /** The hash at a key. Throws WRONGTYPE when it holds a string. */
  getHash(key: string): Map<string, string> | undefined {
    const value = this.get(key);
    if (typeof value === "string") throw wrongType();
    return value;
  }

  /** Stores a value; an existing key keeps its expiry unless another one, or null for none, is given. */
  set(key: string, value: Value, expiresAt?: number | null): void {
    const existing = this.live(key);
    if (existing) {
      existing.value = value;
      if (expiresAt !== undefined) existing.expiresAt = expiresAt;
      return;
    }
    if (this.entries.size >= MAX_KEYS) {
      throw new RedisError(`OOM the in-memory subset holds no more than ${MAX_KEYS} keys`);
    }
    this.entries.set(key, { serial: ++this.lastSerial, value, expiresAt: expiresAt ?? null });
  }

  delete(key: string): boolean {
    return this.live(key) !== undefined && this.entries.delete(key);
  }

  /** False when the key does not exist. A time that has passed removes it. */
  expire(key: string, expiresAt: number): boolean {
    const entry = this.live(key);
    if (!entry) return false;
    entry.expiresAt = expiresAt;
    return true;
  }

  /** Milliseconds a key has left; -1 without expiry, -2 when it does not exist. */
  timeLeft(key: string): number {
    const entry = this.live(key);
    if (!entry) return -2;
    return entry.expiresAt === null ? -1 : Math.max(0, entry.expiresAt - Date.now());
  }

  keys(): string[] {
    this.sweep();
    return [...this.entries.keys()];
  }

  /** The next `count` keys after a serial: each key that is there during a whole scan comes once. */
  scan(after: number, count: number): ScanPage {
    this.sweep();
    const keys: string[] = [];
    let last = after;
    for (const [key, { serial }] of this.entries) {
      if (serial <= after) continue;
      if (keys.length >= count) return { keys, next: last };
      keys.push(key);
      last = serial;
    }
    return { keys, next: 0 };
  }

  clear(): void {
    this.entries.clear();
  }

  sweep(): void {
    for (const key of this.entries.keys()) this.live(key);
  }

  private live(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.expiresAt === null || entry.expiresAt > Date.now()) return entry;
    this.entries.delete(key);
    return undefined;
  }
}

function wrongType(): RedisError {
  return new RedisError("WRONGTYPE Operation against a key holding the wrong kind of value");
}
