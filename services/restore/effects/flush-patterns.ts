import {
  addToEffects,
  findEffects,
  finishEffects,
  noteEffects,
  openFlushes,
} from "../../../db/queries/restore-effects.ts";
import type { Redis } from "../../../lib/redis.ts";
import type { RestoreContext } from "../context.ts";
import { flushKeys } from "./flush-keys.ts";
import { keyOf, patternName } from "./names.ts";
import { scanKeys } from "./redis.ts";
import { chunks, isPast, type EffectsOf, type Work } from "./rows.ts";
import { escapeGlob, matches, toGlob, type KeyPattern } from "./templates.ts";

const NOTES_MAX = 500;
const START = "0";

/** Patterns of one format: all begin with its text, so one scan finds the keys of all of them. */
interface Scan {
  cursor: string;
  patterns: KeyPattern[];
}

/**
 * Removes the keys that match patterns, which are all of one format. Each pattern is scanned for once; a scan that is not
 * at its end at the deadline goes on from there in the next call.
 */
export async function flushPatterns(
  ctx: RestoreContext & { redis: Redis },
  scope: EffectsOf,
  patterns: readonly KeyPattern[],
  deadline: number,
): Promise<Work> {
  const scans = await openScans(ctx, scope, patterns);
  let count = scans.length > 0 ? await flushLeftOver(ctx, scope) : 0;
  for (const scan of scans) {
    const done = await follow(ctx, scope, scan, deadline);
    count += done.count;
    if (!done.isWhole) return { count, isWhole: false };
  }
  return { count, isWhole: true };
}

/** Keys that a call which was broken off has noted, and perhaps removed: then no scan finds them again. */
async function flushLeftOver(ctx: RestoreContext & { redis: Redis }, scope: EffectsOf): Promise<number> {
  for (let count = 0; ;) {
    const open = await openFlushes(ctx.db, scope, NOTES_MAX);
    if (open.length === 0) return count;
    count += (await flushKeys(ctx, scope, open.map(keyOf), Infinity)).count;
  }
}

async function openScans(
  ctx: RestoreContext,
  scope: EffectsOf,
  patterns: readonly KeyPattern[],
): Promise<Scan[]> {
  const flush = { ...scope, kind: "flush" } as const;
  const scans = new Map<string, Scan>();
  for (const some of chunks(patterns, NOTES_MAX)) {
    const names = some.map(nameOf);
    const notes = names.map((name) => ({ name, detail: { type: "pattern", cursor: START } }));
    await noteEffects(ctx.db, flush, notes);
    const noted = await findEffects(ctx.db, flush, names);
    for (const pattern of some) {
      const note = noted.get(nameOf(pattern));
      if (note?.isDone) continue;
      const cursor = String(note?.detail.cursor ?? START);
      const scan = scans.get(cursor) ?? { cursor, patterns: [] };
      scan.patterns.push(pattern);
      scans.set(cursor, scan);
    }
  }
  return [...scans.values()];
}

const nameOf = (pattern: KeyPattern) => patternName(toGlob(pattern));

async function follow(
  ctx: RestoreContext & { redis: Redis },
  scope: EffectsOf,
  { cursor: start, patterns }: Scan,
  deadline: number,
): Promise<Work> {
  const flush = { ...scope, kind: "flush" } as const;
  const names = patterns.map(nameOf);
  const isWanted = matcher(patterns);
  const match = matchOf(patterns);
  let count = 0;
  // Ends with the cursor that Redis gives at the end of a scan, or at the deadline.
  for (let cursor = start; ;) {
    const found = await scanKeys(ctx, cursor, match);
    count += (await flushKeys(ctx, scope, [...new Set(found.keys.filter(isWanted))], Infinity)).count;
    cursor = found.cursor;
    if (cursor === START) break;
    if (!isPast(deadline)) continue;
    for (const some of chunks(names, NOTES_MAX)) await addToEffects(ctx.db, flush, some, { cursor });
    return { count, isWhole: false };
  }
  for (const some of chunks(names, NOTES_MAX)) await finishEffects(ctx.db, flush, some);
  return { count, isWhole: true };
}

/** What Redis is to look for: the pattern, or what several have in common at their beginning. */
function matchOf([first, ...others]: KeyPattern[]): string {
  if (!first) return "";
  if (others.length === 0) return toGlob(first);
  let [common] = first;
  for (const [prefix] of others) {
    let length = 0;
    while (length < common.length && common[length] === prefix[length]) length++;
    common = common.slice(0, length);
  }
  // Half of a character is none.
  return `${escapeGlob(common.replace(/[\uD800-\uDBFF]$/, ""))}*`;
}

/** Whether a key matches one of many patterns: by their beginnings, so that not all are tried. */
function matcher(patterns: readonly KeyPattern[]): (key: string) => boolean {
  const byPrefix = new Map<string, KeyPattern[]>();
  for (const pattern of patterns) {
    const same = byPrefix.get(pattern[0]);
    if (same) same.push(pattern);
    else byPrefix.set(pattern[0], [pattern]);
  }
  const lengths = [...new Set([...byPrefix.keys()].map((prefix) => prefix.length))];
  return (key) =>
    lengths.some((length) => byPrefix.get(key.slice(0, length))?.some((pattern) => matches(pattern, key)));
}
