import { z } from "zod";
import { sumTrails, type TrailSumsRow } from "../../db/queries/trail-analytics.ts";
import { listTrailsBriefly } from "../../db/queries/trails.ts";
import type { Context } from "../context.ts";
import { toTrail, trail } from "../trails/trail.ts";
import { analyticsSpan, type AnalyticsQuery } from "./range.ts";

const RECENT_TRAILS = 10;
const MODELS_MAX = 1_000;

const sums = z.object({
  totalCost: z
    .number()
    .nullable()
    .describe(
      "Of the messages that have a cost; null when there are complete ones and none of them has one.",
    ),
  totalTokens: z.int(),
  averageCost: z
    .number()
    .nullable()
    .describe(
      "totalCost per message that is not unpriced (placeholders and failed ones are not, and cost what they say); null when totalCost is.",
    ),
  messageCount: z.int(),
});
const unpriced = {
  unpricedCount: z.int().describe("Complete messages without a cost, which no total of money includes."),
};

// A reasoning may have a mebibyte, and ten of them are more than an answer can hold.
const recentTrail = trail.omit({ reasoning: true });

export const analytics = z
  .object({
    analytics: sums.extend({
      costByDay: z
        .array(z.object({ day: z.iso.date(), ...sums.shape, ...unpriced }))
        .describe("Each local day with messages, in order."),
      costByModel: z
        .array(z.object({ model: z.string(), ...sums.shape, ...unpriced }))
        .describe(`The dearest first, ${MODELS_MAX} at most.`),
      recentTrails: z
        .array(recentTrail)
        .describe(`The newest ${RECENT_TRAILS} that are kept, without reasoning.`),
    }),
  })
  .meta({ id: "Analytics" });
type Analytics = z.infer<typeof analytics>;

const toSums = ({ totalCost, totalTokens, averageCost, messageCount }: TrailSumsRow) => ({
  totalCost,
  totalTokens,
  averageCost,
  messageCount,
});

/**
 * What a project's messages cost, as of now: by day in a time zone and by model, whether their trails are kept or not.
 * Throws as analyticsSpan.
 */
export async function getAnalytics(
  ctx: Context,
  projectId: string,
  query: AnalyticsQuery,
): Promise<Analytics> {
  const span = await analyticsSpan(ctx, projectId, query);
  const summed = await sumTrails(ctx.db, span, MODELS_MAX);
  const range = { projectIds: [projectId], from: new Date(span.from), to: new Date(span.to) };
  const recent = await listTrailsBriefly(ctx.db, range, RECENT_TRAILS);
  const total = summed.find(({ day, model }) => day === null && model === null) as TrailSumsRow;
  return {
    analytics: {
      ...toSums(total),
      costByDay: summed.flatMap((row) =>
        row.day === null ? [] : { day: row.day, ...toSums(row), unpricedCount: row.unpricedCount },
      ),
      costByModel: summed.flatMap((row) =>
        row.model === null ? [] : { model: row.model, ...toSums(row), unpricedCount: row.unpricedCount },
      ),
      recentTrails: recent.map((row) => {
        const { reasoning: _, ...shown } = toTrail({ ...row, reasoning: null });
        return shown;
      }),
    },
  };
}
