import type { Bounded } from "../../db/queries/bounded.ts";
import { deletionsOf, findCounted, holdsOn } from "../../db/queries/evidence.ts";
import type { EventRow } from "../../db/queries/events.ts";
import { listEntries, type TrackedTable } from "../../db/queries/history.ts";
import { findProject } from "../../db/queries/projects.ts";
import type { TrailRow } from "../../db/queries/trail-row.ts";
import { findTrails } from "../../db/queries/trails.ts";
import { QUERY_CANCELED } from "../../lib/sqlstate.ts";
import { tellingFaults } from "../cold/faults.ts";
import { requireProject, requireScope, requireWorkspace, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { findEvents } from "../events/find.ts";
import type { ReadContext } from "../events/list.ts";
import { recordRead } from "../events/record-read.ts";
import { findTrackedTable } from "../history/table.ts";
import { hasSqlstate } from "../postgres-errors.ts";
import { findOneTrail } from "../trails/find-one.ts";
import { bundleText } from "./bundle.ts";
import { eventRecords, reasonOfGap, unplaced, usersOf } from "./held-records.ts";
import { EVIDENCE_ITEMS_MAX, type EvidenceQuery, type Gap, type Part } from "./evidence.ts";

const DEFAULT_TABLE = "messages";
const BEFORE_TRAIL_MS = 24 * 60 * 60 * 1_000;
const LIMIT = EVIDENCE_ITEMS_MAX + 1;
/** Of events or entries: more than is shown, because each may lead to a hold. */
const BOUNDS = { limit: LIMIT, bytes: 32_000_000 };
const whole = <T>(rows: T[]): Bounded<T> => ({ rows, isCut: false });

/**
 * Everything about a message as JSON text, as far as the key may see it; the read itself is audited. After the clean-up of
 * its trail a message is found by its project and workspaces. Throws as findOneTrail, and `not_found` for a workspace or a
 * table that is named and not there.
 */
export async function gatherEvidence(
  ctx: ReadContext,
  messageId: string,
  query: EvidenceQuery,
): Promise<string> {
  requireScope(ctx, "trails:read");
  const { workspaceId, resourceType } = query;
  if (workspaceId !== undefined) requireWorkspace(ctx, workspaceId, "query.workspaceId");
  const { scopes, workspaces, projects } = ctx.principal;
  const workspaceIds = workspaceId === undefined ? workspaces : [workspaceId];
  const trail = await findKept(ctx, messageId, query.projectId, workspaceIds);
  // Named in the request where there is no trail.
  const projectId = trail?.projectId ?? (query.projectId as string);
  // What belongs to no workspace or project of ours is the operator's alone.
  const isOperator = workspaces === null && projects === null;
  const gaps: Gap[] = [];
  const see = async <T>(part: Part, isAllowed: boolean, read: () => Promise<Bounded<T>>) => {
    try {
      if (isAllowed) {
        const { rows, isCut } = await read();
        if (isCut) gaps.push({ part, reason: "more" });
        return rows;
      }
      gaps.push({ part, reason: "withheld" });
    } catch (error) {
      // Without a trail it may be this part that knows of the message.
      if (trail === null || !hasSqlstate(error, QUERY_CANCELED)) throw error;
      gaps.push({ part, reason: "slow" });
    }
    return null;
  };

  const events = await see("events", scopes.has("events:read"), () =>
    findMessageEvents(ctx, messageId, trail, { workspaceIds, resourceType }),
  );
  const seesHistory = isOperator && scopes.has("history:read");
  const table = seesHistory ? await messageTable(ctx, query.table) : null;
  const entries = await see("history", seesHistory, async () =>
    table ? listEntries(ctx.db, table, messageId, BOUNDS) : whole([]),
  );
  const tableName = table && `${table.schema}.${table.name}`;
  const message = { type: resourceType, id: messageId };
  const others = [
    { type: "trail", id: messageId },
    { type: "project", id: projectId },
  ];
  const row = tableName ? [{ type: tableName, id: messageId }] : [];
  const records = [
    ...eventRecords(message, events ?? []),
    ...others.map((name) => unplaced(name, [])),
    ...row.map((name) => unplaced(name, usersOf(entries ?? []))),
  ];
  const mayLackHolds = workspaces === null ? reasonOfGap(gaps, events, entries) : "withheld";
  const holds = await see("holds", scopes.has("holds:read"), async () =>
    whole(await holdsOn(ctx.db, records, workspaces, LIMIT)),
  );
  if (holds && mayLackHolds) gaps.push({ part: "holds", reason: mayLackHolds });
  const deletions = await see("deletions", isOperator, async () =>
    whole(await deletionsOf(ctx.db, [message, ...others, ...row], LIMIT)),
  );
  const isKnown =
    trail !== null ||
    [events, entries].some((found) => found && found.length > 0) ||
    holds?.some((one) => one.resourceId === messageId) ||
    deletions?.some((one) => one.subjectId === messageId);
  if (!isKnown) throw notFound("trail");
  await recordRead(ctx, "evidence", { ...query, projectId, messageId });

  return bundleText({
    trail,
    counted: trail && (await findCounted(ctx.db, trail)),
    holds,
    deletions,
    events,
    history: entries && tableName ? { table: tableName, entries } : null,
    gaps,
  });
}

/** The trail; null when it is gone, but project and workspaces are known, by which there is an index to what remains. */
async function findKept(
  ctx: Context,
  messageId: string,
  projectId: string | undefined,
  workspaceIds: readonly string[] | null,
): Promise<TrailRow | null> {
  if (projectId === undefined || workspaceIds === null) return findOneTrail(ctx, messageId, projectId);
  requireProject(ctx, projectId);
  const [trail] = await findTrails(ctx.db, messageId, [projectId]);
  if (!trail && !(await findProject(ctx.db, projectId))) throw notFound("project");
  return trail ?? null;
}

async function findMessageEvents(
  ctx: ReadContext,
  messageId: string,
  trail: TrailRow | null,
  { workspaceIds, resourceType }: { workspaceIds: readonly string[] | null; resourceType: string },
): Promise<Bounded<EventRow>> {
  const filter = { workspaceIds, resourceType, resourceId: messageId, includeDeleted: true };
  // No index begins with a resource's id: without a workspace, no month is searched in which the message was not there yet.
  const began = trail && Math.min(Date.parse(trail.timestamp), Date.parse(trail.createdAt));
  const from = began === null || workspaceIds !== null ? {} : { from: new Date(began - BEFORE_TRAIL_MS) };
  return tellingFaults(ctx, () => findEvents(ctx, { ...filter, ...from }, BOUNDS, null));
}

async function messageTable(ctx: ReadContext, name: string | undefined): Promise<TrackedTable | null> {
  const table = await findTrackedTable(ctx, name ?? DEFAULT_TABLE, "query.table");
  if (table === null && name !== undefined) throw notFound("tracked table", "query.table");
  return table;
}
