import { learnedAs, type Draft } from "./draft.ts";
import type { Learned } from "./json.ts";
import type { Operation } from "./openapi.ts";

const POOL_MAX = 40;
const TEMPTATION = 10;

/** Values that exist: the world's own, and what answers told of. */
export interface Pools {
  look(one: Learned): string;
  /** Values that stay, whatever is learned. */
  pin(name: string, values: string[]): void;
  learn(name: string, value: unknown): void;
  /** Learns ids, cursors and locations from an accepted request. */
  learnFrom(draft: Draft, params: Record<string, string>, body: unknown, location: string | null): void;
  /** Whether a value was learned under a name, or under the bare name of its parameter. */
  knows(name: string, value: string): boolean;
}

/**
 * `spared` values are never learned: the keys that the attack itself needs. One look in ten finds another tenant's, of
 * `foreign`.
 */
export function createPools(operations: Operation[], spared: ReadonlySet<string>, foreign?: Pools): Pools {
  const pools = new Map<string, string[]>();
  const pinned = new Set<string>();
  const templates = operations.flatMap(({ path, parameters }) =>
    parameters.filter((one) => one.in === "path").map(({ name }) => ({ name, as: learnedAs(path, name) })),
  );
  const poolOf = (name: string) => pools.get(name) ?? pools.get(/\{(\w+)\}$/.exec(name)?.[1] ?? name);
  const learn = (name: string, value: unknown) => {
    if (typeof value !== "string" || value === "" || spared.has(value) || pinned.has(name)) return;
    const pool = pools.get(name) ?? [];
    if (pool.includes(value)) return;
    pools.set(name, [...pool, value].slice(-POOL_MAX));
  };
  return {
    look: (one) => {
      const { name, nth, fallback } = one;
      if (foreign && nth % TEMPTATION === TEMPTATION - 1) return foreign.look(one);
      const pool = poolOf(name) ?? [fallback];
      return pool[nth % pool.length] ?? fallback;
    },
    pin: (name, values) => {
      pools.set(name, values);
      pinned.add(name);
    },
    learn,
    knows: (name, value) => poolOf(name)?.includes(value) ?? false,
    learnFrom: ({ operation, method }, params, body, location) => {
      for (const [name, value] of Object.entries(params)) {
        const as = learnedAs(operation.path, name);
        if (method !== "DELETE") learn(as, value);
        else
          pools.set(
            as,
            (pools.get(as) ?? []).filter((one) => one !== value),
          );
        if (pools.get(as)?.length === 0) pools.delete(as);
      }
      for (const [as, value] of locationValues(operations, location)) learn(as, value);
      if (typeof body !== "object" || body === null) return;
      const { items, nextCursor } = body as { items?: unknown[]; nextCursor?: unknown };
      if (typeof nextCursor === "string") {
        for (const cursor of [nextCursor, nextCursor.slice(0, -3), flipped(nextCursor)])
          learn("cursor", cursor);
      }
      for (const { name, as } of templates) {
        if (as !== `${operation.path}/{${name}}` || !Array.isArray(items)) continue;
        for (const item of items as Record<string, unknown>[]) learn(as, item[name] ?? item.id);
      }
    },
  };
}

function flipped(cursor: string): string {
  const middle = cursor.length >> 1;
  return `${cursor.slice(0, middle)}${cursor[middle] === "A" ? "B" : "A"}${cursor.slice(middle + 1)}`;
}

function locationValues(operations: Operation[], location: string | null): [string, string][] {
  if (location === null) return [];
  const { pathname } = new URL(location, "http://localhost");
  return operations.flatMap(({ path, parameters }) => {
    const pattern = new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}(/|$)`);
    const values = pattern.exec(pathname)?.groups ?? {};
    return parameters.flatMap(({ name }): [string, string][] =>
      values[name] === undefined ? [] : [[learnedAs(path, name), decodeURIComponent(values[name])]],
    );
  });
}
