import { columnsOf, hasWildcard, parseTemplate, type TemplatePart } from "../../../lib/template.ts";
import type { RestoreContext } from "../context.ts";
import { flushKeys } from "./flush-keys.ts";
import { flushPatterns } from "./flush-patterns.ts";
import { callDeadline, forEachPage, type AppliedRow, type PageOptions } from "./rows.ts";
import { fill, fillPattern, imagesOf, toGlob, type KeyPattern } from "./templates.ts";

type Formats = Record<string, TemplatePart[][]>;

interface Flushed {
  /** Keys that had a value and were removed by this call. */
  flushed: number;
  /** Where to go on, which may be 0; null when all is done. */
  next: number | null;
  /** Why nothing was done, though the configuration asks for it. */
  skipped?: string;
}

/**
 * Removes from Redis what the configuration says was cached of the rows that a run has applied, as they were and as they
 * are. Call it again with `after: next` until that is null. A call that fails can be repeated: what is noted as removed
 * stays as it is. Throws a ServiceError when Redis is away.
 */
export async function flushCaches(ctx: RestoreContext, options: PageOptions): Promise<Flushed> {
  const { redis } = ctx;
  const formats = formatsOf(ctx);
  if (Object.keys(formats).length === 0) return { flushed: 0, next: null };
  if (redis === null) return { flushed: 0, next: null, skipped: "no Redis" };
  const deadline = callDeadline(options.deadline);
  const columns = Object.fromEntries(
    Object.entries(formats).map(([table, parts]) => [table, columnsOf(parts.flat())]),
  );
  const { count, next } = await forEachPage(ctx, { ...options, deadline }, columns, async (rows) => {
    const all = { count: 0, isWhole: true };
    const work = [
      () => flushKeys({ ...ctx, redis }, options, keysOf(rows, formats), deadline),
      ...patternsOf(rows, formats).map(
        (patterns) => () => flushPatterns({ ...ctx, redis }, options, patterns, deadline),
      ),
    ];
    for (const part of work) {
      const done = await part();
      all.count += done.count;
      all.isWhole = done.isWhole;
      if (!done.isWhole) break;
    }
    return all;
  });
  return { flushed: count, next };
}

const formatsOf = ({ config }: RestoreContext): Formats =>
  Object.fromEntries(
    Object.entries(config.tables)
      .filter(([, { cache = [] }]) => cache.length > 0)
      .map(([table, { cache = [] }]) => [
        table,
        cache.map((format) => parseTemplate(format, { wildcards: true })),
      ]),
  );

/** Keys, each once. */
function keysOf(rows: AppliedRow[], formats: Formats): string[] {
  const keys = new Set<string>();
  for (const row of rows)
    for (const parts of formats[row.table] ?? [])
      for (const image of hasWildcard(parts) ? [] : imagesOf(row)) {
        const key = fill(parts, image);
        if (key !== null && key !== "") keys.add(key);
      }
  return [...keys];
}

/** Patterns, each once; those of one format together. */
function patternsOf(rows: AppliedRow[], formats: Formats): KeyPattern[][] {
  const byFormat = new Map<TemplatePart[], Map<string, KeyPattern>>();
  for (const row of rows)
    for (const parts of formats[row.table] ?? [])
      for (const image of hasWildcard(parts) ? imagesOf(row) : []) {
        const pattern = fillPattern(parts, image);
        if (pattern === null) continue;
        const known = byFormat.get(parts) ?? new Map<string, KeyPattern>();
        byFormat.set(parts, known.set(toGlob(pattern), pattern));
      }
  return [...byFormat.values()].map((patterns) => [...patterns.values()]);
}
