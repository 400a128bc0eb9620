import { deletionsOf, findCounted, holdsOn } from "../../db/queries/evidence.ts";
import { findTables, listEntries, type TrackedTable } from "../../db/queries/history.ts";
import type { TrailRow } from "../../db/queries/trails.ts";
import { tellingFaults } from "../cold/faults.ts";
import { requireScope, requireWorkspace } from "../context.ts";
import { toEvent } from "../events/event.ts";
import { findEvents } from "../events/find.ts";
import type { ReadContext } from "../events/list.ts";
import { recordRead } from "../events/record-read.ts";
import { historyTable } from "../history/table.ts";
import { toHold } from "../holds/hold.ts";
import { findOneTrail } from "../trails/find-one.ts";
import { toTrail } from "../trails/trail.ts";
import {
  EVIDENCE_ITEMS_MAX,
  toCounted,
  toDeletion,
  type Evidence,
  type EvidenceQuery,
  type Part,
} from "./evidence.ts";

const DEFAULT_TABLE = "messages";
const BEFORE_TRAIL_MS = 24 * 60 * 60 * 1_000;

/**
 * Everything about a message as JSON text, as far as the key may see it; the read itself is audited. Throws as findOneTrail,
 * and `not_found` for a workspace or a table that is named and not there.
 */
export async function gatherEvidence(
  ctx: ReadContext,
  messageId: string,
  query: EvidenceQuery,
): Promise<string> {
  requireScope(ctx, "trails:read");
  const { projectId, workspaceId, resourceType } = query;
  if (workspaceId !== undefined) requireWorkspace(ctx, workspaceId, "query.workspaceId");
  const trail = await findOneTrail(ctx, messageId, projectId);
  const { scopes, workspaces, projects } = ctx.principal;
  // What belongs to no workspace or project of ours is the operator's alone.
  const isOperator = workspaces === null && projects === null;
  const incomplete: Evidence["incomplete"] = [];
  const see = async <T>(part: Part, isAllowed: boolean, read: () => Promise<T[]>): Promise<T[] | null> => {
    if (!isAllowed) incomplete.push({ part, reason: "withheld" });
    const found = isAllowed ? await read() : null;
    if (found && found.length > EVIDENCE_ITEMS_MAX) incomplete.push({ part, reason: "more" });
    return found && found.slice(0, EVIDENCE_ITEMS_MAX);
  };

  const workspaceIds = workspaceId === undefined ? workspaces : [workspaceId];
  const limit = EVIDENCE_ITEMS_MAX + 1;
  const events = await see("events", scopes.has("events:read"), () =>
    findMessageEvents(ctx, trail, { workspaceIds, resourceType }, limit),
  );
  const seesHistory = isOperator && scopes.has("history:read");
  const table = seesHistory ? await messageTable(ctx, query.table) : null;
  const entries = await see("history", seesHistory, async () =>
    table ? listEntries(ctx.db, table, messageId, { limit }) : [],
  );
  const tableName = table && `${table.schema}.${table.name}`;
  const record = { types: tableName ? [resourceType, tableName] : [resourceType], id: messageId };
  const heldWorkspaces = [...new Set((events ?? []).map((one) => one.workspaceId))];
  const holds = await see("holds", scopes.has("holds:read"), () =>
    holdsOn(ctx.db, record, { workspaceIds, heldWorkspaces }, limit),
  );
  const deletions = await see("deletions", isOperator, () => deletionsOf(ctx.db, record, limit));
  await recordRead(ctx, "evidence", { ...query, projectId: trail.projectId, messageId });

  const bundle: Omit<Evidence, "history"> = {
    gatheredAt: new Date().toISOString(),
    trail: toTrail(trail),
    countedIn: toCounted(await findCounted(ctx.db, trail)),
    events,
    holds: holds && holds.map(toHold),
    deletions: deletions && deletions.map(toDeletion),
    incomplete,
  };
  // Entries stay the text that the database wrote: parsing would round numbers beyond 15 digits.
  const items = (entries ?? []).map(({ json }) => json).join(",");
  const history = tableName && `{"table":${JSON.stringify(tableName)},"items":[${items}]}`;
  return `${JSON.stringify(bundle).slice(0, -1)},"history":${history}}`;
}

async function findMessageEvents(
  ctx: ReadContext,
  { messageId, timestamp, createdAt }: TrailRow,
  { workspaceIds, resourceType }: { workspaceIds: readonly string[] | null; resourceType: string },
  limit: number,
) {
  const began = Math.min(Date.parse(timestamp), Date.parse(createdAt));
  // No index begins with a resource's id, so no month is searched in which the message was not there yet.
  const from = new Date(began - BEFORE_TRAIL_MS);
  const filter = { workspaceIds, resourceType, resourceId: messageId, from, includeDeleted: true };
  const found = await tellingFaults(ctx, () => findEvents(ctx, filter, limit, null));
  return found.map(toEvent);
}

async function messageTable(ctx: ReadContext, name: string | undefined): Promise<TrackedTable | null> {
  if (name !== undefined) return historyTable(ctx, name, "query.table");
  const [table, ...others] = await findTables(ctx.db, null, DEFAULT_TABLE);
  return table && others.length === 0 ? table : null;
}
