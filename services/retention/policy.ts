import { z } from "zod";
import type { PolicyRow } from "../../db/queries/retention.ts";
import { invalidField } from "../errors.ts";
import { filledText } from "../inputs.ts";

/** A hundred years. */
const DAYS_MAX = 36_500;
const REASON_LENGTH_MAX = 1_000;

export const newPolicy = z
  .strictObject({
    hotRetentionDays: z
      .int()
      .min(1)
      .max(DAYS_MAX - 2)
      .describe("Age at which events may go into the archive."),
    warmArchiveDays: z
      .int()
      .min(2)
      .max(DAYS_MAX - 1)
      .describe("Age at which they may go into cold files; more than hotRetentionDays."),
    coldRetentionDays: z
      .int()
      .min(3)
      .max(DAYS_MAX)
      .describe("Age at which their purge may be proposed; more than warmArchiveDays."),
    isComplianceMode: z.boolean().describe("Whether nothing is deleted without an approval."),
    complianceReason: filledText(REASON_LENGTH_MAX)
      .nullable()
      .optional()
      .describe("Such as GDPR; must be given in compliance mode."),
  })
  .meta({ id: "NewRetentionPolicy" });
export type NewPolicy = z.infer<typeof newPolicy>;

export const policy = z
  .object({
    workspaceId: z.string(),
    hotRetentionDays: z.int(),
    warmArchiveDays: z.int(),
    coldRetentionDays: z.int(),
    isComplianceMode: z.boolean(),
    complianceReason: z.string().nullable(),
    createdAt: z.string(),
    updatedAt: z.string(),
    updatedByUserId: z.string().nullable(),
  })
  .meta({ id: "RetentionPolicy" });
export type Policy = z.infer<typeof policy>;

export const toPolicy = (row: PolicyRow): Policy => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

/** What no schema can say: events get older from stage to stage, and compliance mode has a reason. */
export function checkPolicy(input: NewPolicy): void {
  if (input.warmArchiveDays <= input.hotRetentionDays) {
    throw invalidField("body.warmArchiveDays", "out_of_order", "must be more than hotRetentionDays");
  }
  if (input.coldRetentionDays <= input.warmArchiveDays) {
    throw invalidField("body.coldRetentionDays", "out_of_order", "must be more than warmArchiveDays");
  }
  if (input.isComplianceMode && !input.complianceReason) {
    throw invalidField("body.complianceReason", "reason_missing", "must be given in compliance mode");
  }
}
