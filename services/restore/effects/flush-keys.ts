import { findEffects, finishEffects, noteEffects } from "../../../db/queries/restore-effects.ts";
import type { Redis } from "../../../lib/redis.ts";
import type { RestoreContext } from "../context.ts";
import { effectName, keyDetail } from "./names.ts";
import { KEYS_MAX, readValues, unlinkKeys } from "./redis.ts";
import { chunks, isPast, type EffectsOf, type Work } from "./rows.ts";

/**
 * Removes keys from Redis, each once. What a key held is noted before it goes, so that it can be told later whether it
 * came back with the same; that it is gone, after. A call that is broken off and repeated removes what is not noted as
 * gone. Counts keys that had a value.
 */
export async function flushKeys(
  ctx: RestoreContext & { redis: Redis },
  scope: EffectsOf,
  keys: readonly string[],
  deadline: number,
): Promise<Work> {
  let count = 0;
  let left = Math.ceil(keys.length / KEYS_MAX);
  for (const some of chunks(keys, KEYS_MAX)) {
    const flushed = await flushSome(ctx, scope, some);
    count += flushed ?? 0;
    // Only what did something may end a call, else one that is late at its first step would never get further.
    if (--left > 0 && flushed !== null && isPast(deadline)) return { count, isWhole: false };
  }
  return { count, isWhole: true };
}

/** Null when all of them were done before. */
async function flushSome(
  ctx: RestoreContext & { redis: Redis },
  scope: EffectsOf,
  keys: readonly string[],
): Promise<number | null> {
  const flush = { ...scope, kind: "flush" } as const;
  const noted = await findEffects(ctx.db, flush, keys.map(effectName));
  const open = keys.filter((key) => !noted.get(effectName(key))?.isDone);
  if (open.length === 0) return null;
  // What is noted and not done was removed, perhaps: its value now is a newer one.
  const fresh = open.filter((key) => !noted.has(effectName(key)));
  const values = await readValues(ctx, fresh);
  const notes = fresh.map((key) => ({
    name: effectName(key),
    detail: { ...values.get(key), ...keyDetail(key) },
  }));
  await noteEffects(ctx.db, flush, notes);
  await unlinkKeys(ctx, open);
  const done = await finishEffects(ctx.db, flush, open.map(effectName));
  return done.filter(({ detail }) => "digest" in detail).length;
}
