import { z } from "zod";
import type { CountedTrail, DeletionRow } from "../../db/queries/evidence.ts";
import { isoTime } from "../../db/queries/rows.ts";
import { ANSWER_BYTES_MAX } from "../answer-size.ts";
import { event } from "../events/event.ts";
import { historyEntry } from "../history/list.ts";
import { hold } from "../holds/hold.ts";
import { callerId, filledText } from "../inputs.ts";
import { trail } from "../trails/trail.ts";

const TABLE_LENGTH_MAX = 200;
/** Of each kind; what there is beyond is said to be left out. */
export const EVIDENCE_ITEMS_MAX = 200;

export const evidenceQuery = z.strictObject({
  projectId: callerId
    .optional()
    .describe(
      "Needed when several of your projects have this message id, and once its trail was cleaned up.",
    ),
  workspaceId: callerId
    .optional()
    .describe(
      "Where to look for events; without it, wherever the key may. Needed once the trail was cleaned up, unless the key is limited to workspaces.",
    ),
  resourceType: callerId.default("message").describe("What your events and holds call a message."),
  table: filledText(TABLE_LENGTH_MAX)
    .optional()
    .describe(
      "The tracked table whose key is the message id; without it, the one called messages, if it is tracked. A 400 where several schemas have one of that name.",
    ),
});
export type EvidenceQuery = z.output<typeof evidenceQuery>;

const part = z.enum(["events", "history", "holds", "deletions"]);
export type Part = z.infer<typeof part>;

const deletion = z.object({
  id: z.string(),
  deletedAt: z.string(),
  deletedByUserId: z.string(),
  subjectType: z.string(),
  deletionAuthority: z.string().nullable(),
  deletionReason: z.string().nullable(),
  approvalTicketId: z.string().nullable(),
  isIrrevocable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
});

const counted = z.object({
  bucketStart: z.string().describe("The first moment of its 15 minutes (UTC)."),
  model: z.string(),
  totalTokens: z.int(),
  totalCost: z.number().describe("0 where it is unpriced: then the bucket's unpriced count has it."),
  isCurrent: z.boolean().describe("False when it changed since, which totals include already."),
});

export const evidence = z
  .object({
    gatheredAt: z.string(),
    trail: trail
      .nullable()
      .describe("With the digests that were pinned when it was written; null once it was cleaned up."),
    countedIn: counted
      .nullable()
      .describe(
        "Where the roll-up has its cost; null while it has not been rolled up, and once the trail was cleaned up.",
      ),
    events: z.array(event).nullable().describe("That name it as their resource, the newest first."),
    holds: z
      .array(hold)
      .nullable()
      .describe(
        "On it, its trail, its row or its project, on all of one of these types, on a workspace of its events, or on a person whose events or changes of its row these are; released ones too.",
      ),
    deletions: z.array(deletion).nullable().describe("Entries of the deletion log about it or its project."),
    incomplete: z
      .array(z.object({ part, reason: z.enum(["withheld", "more", "slow"]) }))
      .describe(
        `Withheld: this key may not see the part, which is null, or, of the holds, those that name no workspace. More: there are more than ${EVIDENCE_ITEMS_MAX}, or the bundle would have more than ${ANSWER_BYTES_MAX} bytes. Slow: the part is null, because looking for it took longer than a request may; name the workspace. What is missing of events and history may be the only way to a hold, so holds are incomplete for the same reason.`,
      ),
    history: z
      .object({ table: z.string(), items: z.array(historyEntry) })
      .nullable()
      .describe(
        "What happened to its row in the application's own table; null when there is no such tracked table.",
      ),
  })
  .meta({ id: "Evidence" });
export type Evidence = z.infer<typeof evidence>;
export type Gap = Evidence["incomplete"][number];

export const toCounted = (row: CountedTrail | null): Evidence["countedIn"] =>
  row && { ...row, bucketStart: isoTime(row.bucketStart) };

export function toDeletion({ subjectId: _, ...row }: DeletionRow): z.infer<typeof deletion> {
  return { ...row, deletedAt: row.deletedAt.toISOString(), details: row.details as Record<string, unknown> };
}
