import {
  and,
  arrayContains,
  desc,
  eq,
  getViewName,
  gte,
  inArray,
  isNull,
  lt,
  sql,
  Subquery,
  type SQL,
} from "drizzle-orm";
import { uuidTime } from "../../lib/uuid.ts";
import type { Db } from "../client.ts";
import { everyEvent as e } from "../schema/index.ts";
import { upTo, type Bounded } from "./bounded.ts";
import { rows, timeText } from "./rows.ts";

/** This month and the two before it: what is asked alone first. */
const RECENT_MONTHS = 3;
/** An event is stored in the statement that makes its id, which ends sooner. */
export const ID_BEFORE_EVENT_MS = 10 * 60 * 1_000;
/** How far the clocks of this process and the database may be apart. */
const ID_AHEAD_MS = 24 * 60 * 60 * 1_000;

export interface EventFilter {
  /** Null: any workspace. */
  workspaceIds: readonly string[] | null;
  actorId?: string | undefined;
  actionType?: { exact: string } | { prefix: string } | undefined;
  resourceType?: string | undefined;
  resourceId?: string | undefined;
  tag?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  text?: string | undefined;
  includeDeleted: boolean;
  /** Only what was committed when this snapshot was taken. */
  snapshot?: string | undefined;
}

/** Where a page begins: after this row, newest first. */
export interface EventPosition {
  createdAt: string;
  id: string;
}

const utcText = timeText(sql`${e.createdAt}`);

const columns = {
  id: e.id,
  createdAt: e.createdAt,
  occurredAt: e.occurredAt,
  eventId: e.eventId,
  workspaceId: e.workspaceId,
  createdByUserId: e.createdByUserId,
  actionType: e.actionType,
  resourceType: e.resourceType,
  resourceId: e.resourceId,
  oldValues: e.oldValues,
  newValues: e.newValues,
  changedFields: e.changedFields,
  ipAddress: e.ipAddress,
  userAgent: e.userAgent,
  requestId: e.requestId,
  tags: e.tags,
  metadata: e.metadata,
  deletedAt: e.deletedAt,
  deletedByUserId: e.deletedByUserId,
  deletionReason: e.deletionReason,
  archivedAt: e.archivedAt,
  position: utcText,
};

export type EventRow = Awaited<ReturnType<typeof selectEvents>>[number];
const selectEvents = (db: Db) => db.select(columns).from(e);

/**
 * Events newest first, hot or archived, after `position`: `limit` rows at most, and about `bytes` of each of three spans of
 * months. The newest months are asked alone first: a page mostly ends there, and planning a statement costs time for each month
 * that it may touch.
 */
export async function listEvents(
  db: Db,
  filter: EventFilter,
  { limit, bytes }: { limit: number; bytes: number },
  position: EventPosition | null,
): Promise<Bounded<EventRow>> {
  // Said twice, because a comparison of rows does not let the planner leave out the months after it.
  const after = position
    ? sql`(${e.createdAt}, ${e.id}) < (${position.createdAt}::timestamptz, ${position.id}::uuid)
        and ${e.createdAt} <= ${position.createdAt}::timestamptz`
    : undefined;
  const page = (part: SQL | undefined, rowCount: number) =>
    newest(db, and(matches(filter), after, part), rowCount, bytes);
  const now = new Date();
  const top = filter.to !== undefined && filter.to < now ? filter.to : now;
  const recent = monthAt(position ? new Date(position.createdAt) : top, 1 - RECENT_MONTHS);
  // No event is of the future, whatever this clock says; the months that lie ready for it need no look.
  const ahead = position ? undefined : lt(e.createdAt, monthAt(now, 2));
  if (filter.from !== undefined && filter.from >= recent) return page(ahead, limit);
  const found = await page(and(gte(e.createdAt, recent), ahead), limit);
  const isEnough = () => found.rows.length === limit || found.isCut;
  const goOn = async (part: SQL | undefined) => {
    const more = await page(part, limit - found.rows.length);
    found.rows.push(...more.rows);
    found.isCut = more.isCut;
  };
  if (isEnough()) return found;
  const [workspaceId, ...others] = filter.workspaceIds ?? [];
  let before = recent;
  if (workspaceId !== undefined && others.length === 0) {
    const wanted = limit - found.rows.length;
    const back = await lookBack(db, workspaceId, filter, recent, wanted);
    if (back.oldest === null) return found;
    const oldest = new Date(back.oldest);
    await goOn(and(lt(e.createdAt, recent), gte(e.createdAt, oldest)));
    if (isEnough() || back.found < wanted) return found;
    before = oldest;
  }
  await goOn(lt(e.createdAt, before));
  return found;
}

/** The newest rows where `condition` holds, until they have so many bytes. */
async function newest(
  db: Db,
  condition: SQL | undefined,
  limit: number,
  bytes: number,
): Promise<Bounded<EventRow>> {
  const order = sql`${e.createdAt} desc, ${e.id} desc`;
  const list = upTo(bytes, {
    list: sql`select * from ${e} where ${condition ?? sql`true`} order by ${order} limit ${limit}`,
    large: [sql`p.old_values`, sql`p.new_values`, sql`p.changed_fields`, sql`p.metadata`],
    order: sql`p.created_at desc, p.id desc`,
  });
  const found = await db
    .select({ row: columns, hasNext: sql<boolean>`"hasNext"` })
    // Under the view's name, its columns are the view's.
    .from(new Subquery(list, columns, getViewName(e)))
    .orderBy(desc(e.createdAt), desc(e.id));
  return { rows: found.map(({ row }) => row), isCut: found.at(-1)?.hasNext ?? false };
}

/** How far back the next `limit` events of a workspace (and resource or user) reach, whatever else the filter asks. */
async function lookBack(
  db: Db,
  workspaceId: string,
  { resourceType, resourceId, actorId }: EventFilter,
  before: Date,
  limit: number,
): Promise<{ found: number; oldest: string | null }> {
  const [row] = await rows<{ found: number; oldest: string | null }>(
    db,
    sql`
      select found, oldest::text as oldest
      from audit.look_back(
        ${workspaceId}, ${resourceType ?? null}::text, ${resourceId ?? null}::text, ${actorId ?? null}::text,
        ${before.toISOString()}::timestamptz, ${limit}::int
      )`,
  );
  return row ?? { found: 0, oldest: null };
}

/** The first moment of the month so many months later (UTC). */
function monthAt(time: Date, months: number): Date {
  return new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + months, 1));
}

export async function countEvents(db: Db, filter: EventFilter): Promise<number> {
  return db.$count(e, matches(filter));
}

/** One event by its id, hot or archived. An id of ours says when, so that one month is asked; then all. */
export async function findEvent(
  db: Db,
  id: string,
  filter: Pick<EventFilter, "workspaceIds" | "includeDeleted">,
): Promise<EventRow | null> {
  const find = async (part: SQL | undefined) => {
    const [row] = await db
      .select(columns)
      .from(e)
      .where(and(eq(e.id, id), matches(filter), part))
      // An id is unique with its time only; the first holder of it is the event.
      .orderBy(e.createdAt)
      .limit(1);
    return row ?? null;
  };
  const made = uuidTime(id);
  // One whose time lies ahead is none of ours.
  const isOurs = made !== null && made < Date.now() + ID_AHEAD_MS;
  if (!isOurs) return find(undefined);
  const near = (ms: number) => new Date(made + ms);
  const soon = and(gte(e.createdAt, near(-ID_BEFORE_EVENT_MS)), lt(e.createdAt, near(ID_BEFORE_EVENT_MS)));
  return (await find(soon)) ?? find(undefined);
}

/** Names what is committed now, for a reader that takes several statements to read it. */
export async function currentSnapshot(db: Db): Promise<string> {
  const [row] = await rows<{ snapshot: string }>(db, sql`select pg_current_snapshot()::text as snapshot`);
  return row?.snapshot ?? "";
}

function matches(filter: EventFilter): SQL | undefined {
  const { workspaceIds, actionType } = filter;
  return and(
    workspaceIds === null ? undefined : inArray(e.workspaceId, [...workspaceIds]),
    filter.actorId === undefined ? undefined : eq(e.createdByUserId, filter.actorId),
    actionType === undefined
      ? undefined
      : "exact" in actionType
        ? eq(e.actionType, actionType.exact)
        : sql`starts_with(${e.actionType}, ${actionType.prefix})`,
    filter.resourceType === undefined ? undefined : eq(e.resourceType, filter.resourceType),
    filter.resourceId === undefined ? undefined : eq(e.resourceId, filter.resourceId),
    filter.tag === undefined ? undefined : arrayContains(e.tags, [filter.tag]),
    filter.from === undefined ? undefined : gte(e.createdAt, filter.from),
    filter.to === undefined ? undefined : lt(e.createdAt, filter.to),
    filter.text === undefined ? undefined : contains(filter.text),
    filter.includeDeleted ? undefined : isNull(e.deletedAt),
    filter.snapshot === undefined
      ? undefined
      : sql`pg_visible_in_snapshot(${e.txid}, ${filter.snapshot}::pg_snapshot)`,
  );
}

// Folded by Unicode's rules whatever the database's locale; within JSON a quote or backslash stands escaped.
const contains = (text: string) => sql`(
  strpos(
    lower(concat_ws(
      ' ', ${e.actionType}, ${e.resourceType}, ${e.resourceId}, ${e.createdByUserId}, array_to_string(${e.tags}, ' ')
    ) collate "und-x-icu"),
    lower(${text}::text collate "und-x-icu")
  ) > 0
  or strpos(
    lower(concat_ws(' ', ${e.oldValues}::text, ${e.newValues}::text, ${e.metadata}::text) collate "und-x-icu"),
    lower(${JSON.stringify(text).slice(1, -1)}::text collate "und-x-icu")
  ) > 0
)`;
