import { z } from "zod";
import type { PurgeRow } from "../../db/queries/purges.ts";
import { filledText } from "../inputs.ts";

const NOTE_LENGTH_MAX = 2_000;

export const purgeStatus = z.enum([
  "awaiting_approval",
  "approved",
  "rejected",
  "expired",
  "completed",
  "needs_attention",
]);

/** What a proposal would remove: files, with the months and events in them. */
const purgeSummary = z.object({
  files: z.int(),
  events: z.int(),
  bytes: z.int(),
  firstMonth: z.string().describe("2019-01."),
  lastMonth: z.string(),
  complianceWorkspaces: z
    .array(z.string())
    .describe("In compliance mode nothing goes without a person's approval: this is the approval."),
});
export type PurgeSummary = z.infer<typeof purgeSummary>;

/** What became of the files of an approved purge; those that were kept stay readable. */
const purgeReport = z.object({ purged: z.int(), held: z.int(), notDue: z.int() });
export type PurgeReport = z.infer<typeof purgeReport>;

export const purge = z
  .object({
    id: z.string(),
    status: purgeStatus,
    summary: purgeSummary,
    createdAt: z.string(),
    expiresAt: z.string().describe("Without a decision until then nothing is removed."),
    requestedByUserId: z.string().nullable().describe("Null: the schedule proposed it."),
    decidedByUserId: z.string().nullable(),
    decidedAt: z.string().nullable(),
    note: z.string().nullable(),
    endedAt: z.string().nullable(),
    report: purgeReport.nullable(),
  })
  .meta({ id: "Purge" });
export type Purge = z.infer<typeof purge>;

export const purgeDecision = z.strictObject({ note: filledText(NOTE_LENGTH_MAX).optional() });

export function toPurge(row: PurgeRow): Purge {
  return {
    id: row.id,
    status: row.status,
    summary: row.summary as PurgeSummary,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    requestedByUserId: row.requestedByUserId,
    decidedByUserId: row.decidedByUserId,
    decidedAt: row.decidedAt?.toISOString() ?? null,
    note: row.decisionNote,
    endedAt: row.endedAt?.toISOString() ?? null,
    report: row.report as PurgeReport | null,
  };
}
