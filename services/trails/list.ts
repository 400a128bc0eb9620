import { z } from "zod";
import { countTrails, listTrails as queryTrails, type TrailFilter } from "../../db/queries/trails.ts";
import { ANSWER_BYTES_MAX, pageOf } from "../answer-size.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { decodeCursor, encodeCursor, TIME_SHAPE, UUID_SHAPE } from "../cursor.ts";
import { callerId, flag, limit, since, time } from "../inputs.ts";
import { toTrail, trailStatus, type Trail } from "./trail.ts";

export const trailQuery = z.strictObject({
  projectId: callerId.optional(),
  model: callerId.optional(),
  status: trailStatus.optional(),
  from: since.optional().describe("timestamp at or after."),
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
  const found = await queryTrails(ctx.db, filter, { limit: limit + 1, bytes: ANSWER_BYTES_MAX }, after);
  const { shown, last } = pageOf(found, limit, (row) => JSON.stringify(toTrail(row)));
  return {
    items: shown.map(toTrail),
    nextCursor: last ? encodeCursor([last.timestamp, last.id], named) : null,
    ...(includeTotal ? { total: await countTrails(ctx.db, filter) } : {}),
  };
}
