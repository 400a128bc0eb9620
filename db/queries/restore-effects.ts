import { and, asc, eq, gt, inArray, sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { restoreEffects as e } from "../schema/index.ts";
import { sqlNow } from "./rows.ts";

type EffectKind = (typeof e.$inferSelect)["kind"];
type EffectDetail = Record<string, unknown>;

/** The effects of one kind, of a run and one of the times they were asked for. */
interface EffectScope {
  runId: string;
  repeat: number;
  kind: EffectKind;
}

interface NotedEffect {
  name: string;
  isDone: boolean;
  detail: EffectDetail;
}

const within = ({ runId, repeat, kind }: EffectScope) =>
  and(eq(e.runId, runId), eq(e.repeat, repeat), eq(e.kind, kind));
const noted = { name: e.name, isDone: e.isDone, detail: sql<EffectDetail>`coalesce(${e.detail}, '{}')` };

/** Those of these effects that are noted, by name. */
export async function findEffects(
  db: Db,
  scope: EffectScope,
  names: readonly string[],
): Promise<Map<string, NotedEffect>> {
  if (names.length === 0) return new Map();
  const found = await db
    .select(noted)
    .from(e)
    .where(and(within(scope), inArray(e.name, [...names])));
  return new Map(found.map((one) => [one.name, one]));
}

/** Keys that are noted and of which nobody noted that they are gone. */
export async function openFlushes(
  db: Db,
  scope: Omit<EffectScope, "kind">,
  limit: number,
): Promise<NotedEffect[]> {
  return db
    .select(noted)
    .from(e)
    .where(
      and(
        within({ ...scope, kind: "flush" }),
        eq(e.isDone, false),
        sql`${e.detail} ->> 'type' is distinct from 'pattern'`,
      ),
    )
    .limit(limit);
}

/** Notes effects; one that is noted already stays as it is. Returns the names that are new. */
export async function noteEffects(
  db: Db,
  scope: EffectScope,
  effects: readonly { name: string; detail: EffectDetail; isDone?: boolean }[],
): Promise<string[]> {
  if (effects.length === 0) return [];
  // In one order, so that two calls with the same effects wait for each other and do not lock each other out.
  const sorted = effects.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const added = await db
    .insert(e)
    .values(
      sorted.map(({ name, detail, isDone = false }) => ({
        runId: scope.runId,
        repeat: scope.repeat,
        kind: scope.kind,
        name,
        detail,
        isDone,
        ...(isDone ? { doneAt: sqlNow } : {}),
      })),
    )
    .onConflictDoNothing()
    .returning({ name: e.name });
  return added.map((one) => one.name);
}

/** Marks noted effects as done; returns those that were not yet. */
export async function finishEffects(
  db: Db,
  scope: EffectScope,
  names: readonly string[],
): Promise<NotedEffect[]> {
  if (names.length === 0) return [];
  return db
    .update(e)
    .set({ isDone: true, doneAt: sqlNow })
    .where(and(within(scope), eq(e.isDone, false), inArray(e.name, [...names])))
    .returning(noted);
}

/** Adds to what is noted of effects. */
export async function addToEffects(
  db: Db,
  scope: EffectScope,
  names: readonly string[],
  detail: EffectDetail,
): Promise<void> {
  if (names.length === 0) return;
  await db
    .update(e)
    .set({ detail: sql`coalesce(${e.detail}, '{}') || ${JSON.stringify(detail)}::jsonb` })
    .where(and(within(scope), inArray(e.name, [...names])));
}

/** Replaces what is noted of an effect, done or new. */
export async function putEffect(
  db: Db,
  scope: EffectScope,
  { name, isDone, detail }: NotedEffect,
): Promise<void> {
  const end = { isDone, detail, doneAt: isDone ? sqlNow : null };
  await db
    .insert(e)
    .values({ runId: scope.runId, repeat: scope.repeat, kind: scope.kind, name, ...end })
    .onConflictDoUpdate({ target: [e.runId, e.repeat, e.kind, e.name], set: end });
}

/** Keys that had a value when they were flushed, by name. */
export async function flushedKeys(
  db: Db,
  scope: Omit<EffectScope, "kind">,
  { after, limit }: { after: string; limit: number },
): Promise<NotedEffect[]> {
  return db
    .select(noted)
    .from(e)
    .where(
      and(
        within({ ...scope, kind: "flush" }),
        eq(e.isDone, true),
        gt(e.name, after),
        sql`${e.detail} ? 'digest'`,
      ),
    )
    .orderBy(asc(e.name))
    .limit(limit);
}

/** Has the keys and patterns that a run flushed flushed once more, because it goes on. */
export async function reopenFlushes(db: Db, runId: string): Promise<void> {
  await db
    .update(e)
    .set({ isDone: false, doneAt: null, detail: sql`${e.detail} - 'cursor'` })
    .where(and(within({ runId, repeat: 0, kind: "flush" }), eq(e.isDone, true)));
}
