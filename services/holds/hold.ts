import { z } from "zod";
import type { HoldRow } from "../../db/queries/holds.ts";
import { callerId, filledText } from "../inputs.ts";

const REASON_LENGTH_MAX = 1_000;

export const holdReason = filledText(REASON_LENGTH_MAX);

export const newHold = z
  .strictObject({
    workspaceId: callerId.optional().describe("Without it, in every workspace."),
    resourceType: callerId.optional().describe("Without resourceId, every resource of the type."),
    resourceId: callerId.optional(),
    subjectUserId: callerId.optional().describe("What this user did, and resources whose id is the user's."),
    reason: holdReason,
  })
  .meta({ id: "NewLegalHold" });
export type NewHold = z.infer<typeof newHold>;

export const hold = z
  .object({
    id: z.string(),
    workspaceId: z.string().nullable(),
    resourceType: z.string().nullable(),
    resourceId: z.string().nullable(),
    subjectUserId: z.string().nullable(),
    reason: z.string(),
    placedByUserId: z.string(),
    placedAt: z.string(),
    releasedByUserId: z.string().nullable(),
    releasedAt: z.string().nullable(),
    releaseReason: z.string().nullable(),
  })
  .meta({ id: "LegalHold" });
export type Hold = z.infer<typeof hold>;

export const toHold = (row: HoldRow): Hold => ({
  ...row,
  placedAt: row.placedAt.toISOString(),
  releasedAt: row.releasedAt?.toISOString() ?? null,
});
