import { addToEffects, flushedKeys } from "../../../db/queries/restore-effects.ts";
import type { RestoreContext } from "../context.ts";
import { keyOf } from "./names.ts";
import { KEYS_MAX, readValues, unlinkKeys } from "./redis.ts";
import { callDeadline, isPast, type EffectsOf } from "./rows.ts";

const NAMED_MAX = 100;

interface StaleKeysOptions extends EffectsOf {
  /** Absent at first, then what the last call answered as `next`. */
  after?: string;
  deadline?: number;
}

interface StaleKeys {
  /** Flushed keys that hold nothing now. */
  absent: number;
  /** Flushed keys that hold another value than before. */
  repopulated: number;
  /** Flushed keys that hold what they held before the flush. */
  staleCount: number;
  /** Their names, the first hundred. */
  stale: string[];
  /** Those of them that this call flushed once more; the rest has come back with the old value after that. */
  flushedAgain: number;
  /** Where to go on; null when all keys were looked at. */
  next: string | null;
}

/**
 * Looks at what the flushed keys of a run hold now. A key with its old value was filled by somebody who had read the row
 * before the restore, or the value does not depend on what was restored; it is flushed once more. So the answer counts
 * that comes when everything was looked at twice, a few seconds apart: who reads a row then, reads the restored one.
 * Throws a ServiceError when Redis is away.
 */
export async function findStaleKeys(ctx: RestoreContext, options: StaleKeysOptions): Promise<StaleKeys> {
  const found: StaleKeys = {
    absent: 0,
    repopulated: 0,
    staleCount: 0,
    stale: [],
    flushedAgain: 0,
    next: options.after ?? "",
  };
  if (ctx.redis === null) return { ...found, next: null };
  const client = { ...ctx, redis: ctx.redis };
  const { runId, repeat } = options;
  const deadline = callDeadline(options.deadline);
  do {
    const noted = await flushedKeys(ctx.db, { runId, repeat }, { after: found.next ?? "", limit: KEYS_MAX });
    const values = await readValues(client, noted.map(keyOf));
    const stale = noted.filter((one) => values.get(keyOf(one))?.digest === one.detail.digest);
    const again = stale.filter(({ detail }) => detail.flushedAgain !== true);
    await unlinkKeys(client, again.map(keyOf));
    await addToEffects(
      ctx.db,
      { runId, repeat, kind: "flush" },
      again.map(({ name }) => name),
      { flushedAgain: true },
    );
    found.absent += noted.length - values.size;
    found.repopulated += values.size - stale.length;
    found.staleCount += stale.length;
    found.stale = [...found.stale, ...stale.map(keyOf)].slice(0, NAMED_MAX);
    found.flushedAgain += again.length;
    found.next = noted.length < KEYS_MAX ? null : (noted.at(-1)?.name ?? null);
  } while (found.next !== null && !isPast(deadline));
  return found;
}
