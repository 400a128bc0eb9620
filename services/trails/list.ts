import { z } from "zod";
import { countTrails, listTrails as queryTrails, type TrailFilter } from "../../db/queries/trails.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, TIME_SHAPE, UUID_SHAPE } from "../cursor.ts";
import { callerId, flag, limit, time } from "../inputs.ts";
import { toTrail, trailStatus, type Trail } from "./trail.ts";

export const trailQuery = z.strictObject({
  projectId: callerId.optional(),
  model: callerId.optional(),
  status: trailStatus.optional(),
  from: time.optional().describe("timestamp at or after."),
  to: time.optional().describe("timestamp before."),
  limit,
  cursor: z.string().optional(),
  includeTotal: flag.optional(),
});
type TrailQuery = z.infer<typeof trailQuery>;

interface TrailPage {
  items: Trail[];
  nextCursor: string | null;
  total?: number;
}

/** Trails newest first, within what the key may see. Throws `not_found` for a project that it does not. */
export async function listTrails(ctx: Context, input: TrailQuery): Promise<TrailPage> {
  requireScope(ctx, "trails:read");
  const { limit, cursor, includeTotal, ...criteria } = input;
  const { projectId, ...rest } = criteria;
  if (projectId !== undefined) requireProject(ctx, projectId);
  const projectIds = projectId === undefined ? ctx.principal.projects : [projectId];
  const filter: TrailFilter = { ...rest, projectIds };
  const named = { list: "trails", ...criteria };
  const position = decodeCursor(cursor, named, [TIME_SHAPE, UUID_SHAPE]);
  const after = position && { timestamp: position[0] as string, id: position[1] as string };
  const rows = await queryTrails(ctx.db, filter, limit + 1, after);
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return {
    items: items.map(toTrail),
    nextCursor: last ? encodeCursor([last.timestamp, last.id], named) : null,
    ...(includeTotal ? { total: await countTrails(ctx.db, filter) } : {}),
  };
}
