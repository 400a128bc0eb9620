import { evaluate } from "./expressions.ts";
import type { EventPayload, FunctionConfig } from "./types.ts";

/** A place in a queue of limited width: calls that share `slot` run at most `limit` at a time. */
export interface Slot {
  slot: string;
  limit: number;
}

/** The slots that calls of a run take up, by its function's `concurrency`. A limit of 0 is none. */
export function slotsOf(config: FunctionConfig, event: EventPayload): Slot[] {
  const setting = config.concurrency ?? [];
  const entries = typeof setting === "number" ? [{ limit: setting }] : [setting].flat();
  return entries
    .filter((entry) => entry.limit > 0)
    .map((entry) => {
      const { limit, key, scope } = { key: null, scope: null, ...entry };
      const owner = scope === "env" || scope === "account" ? scope : `fn:${config.id}`;
      const value = key ? evaluate(key, { event }) : null;
      return { slot: JSON.stringify([owner, key, value]), limit };
    });
}

/** Calls under way per slot. In memory, as one executor makes all calls. */
export class SlotCounter {
  #used = new Map<string, { count: number; limit: number }>();

  tryTake(slots: Slot[]): boolean {
    if (slots.some(({ slot, limit }) => (this.#used.get(slot)?.count ?? 0) >= limit)) return false;
    for (const { slot, limit } of slots) {
      this.#used.set(slot, { count: (this.#used.get(slot)?.count ?? 0) + 1, limit });
    }
    return true;
  }

  release(slots: Slot[]): void {
    for (const { slot, limit } of slots) {
      const count = (this.#used.get(slot)?.count ?? 0) - 1;
      if (count > 0) this.#used.set(slot, { count, limit });
      else this.#used.delete(slot);
    }
  }

  full(): string[] {
    return [...this.#used].filter(([, use]) => use.count >= use.limit).map(([slot]) => slot);
  }
}
