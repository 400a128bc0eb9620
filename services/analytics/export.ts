import { z } from "zod";
import { listTrailDays, type TrailDay } from "../../db/queries/trail-analytics.ts";
import { toCsv } from "../../lib/csv.ts";
import type { Context } from "../context.ts";
import { invalidField } from "../errors.ts";
import { analyticsQuery, analyticsSpan } from "./range.ts";

const ROWS_MAX = 20_000;

export const analyticsExport = analyticsQuery.extend({ format: z.enum(["csv"]) });
type AnalyticsExport = z.output<typeof analyticsExport>;

const CSV_COLUMNS = {
  day: "day",
  model: "model",
  messageCount: "message_count",
  completeCount: "complete_count",
  failedCount: "failed_count",
  unpricedCount: "unpriced_count",
  promptTokens: "prompt_tokens",
  completionTokens: "completion_tokens",
  totalTokens: "total_tokens",
  cachedTokens: "cached_tokens",
  reasoningTokens: "reasoning_tokens",
  promptCost: "prompt_cost",
  completionCost: "completion_cost",
  totalCost: "total_cost",
} as const satisfies Record<string, keyof TrailDay>;
type CsvColumn = keyof typeof CSV_COLUMNS;

/**
 * A line for each day and model as CSV, money with all its digits. A day's unpriced messages are counted, and in no sum of
 * money; where all are unpriced the cells are empty. Throws as analyticsSpan, and `invalid_request` for more than 20,000 lines.
 */
export async function exportAnalytics(
  ctx: Context,
  projectId: string,
  { format: _, ...query }: AnalyticsExport,
): Promise<string> {
  const days = await listTrailDays(ctx.db, await analyticsSpan(ctx, projectId, query), ROWS_MAX + 1);
  if (days.length > ROWS_MAX) {
    throw invalidField(
      "query.from",
      "too_many_lines",
      `gives more than ${ROWS_MAX} lines; ask for fewer days`,
    );
  }
  const columns = Object.keys(CSV_COLUMNS) as CsvColumn[];
  return toCsv(columns, days.map(toCells), { withHeader: true });
}

function toCells(row: TrailDay): Record<CsvColumn, string | null> {
  const cells = Object.entries(CSV_COLUMNS).map(([name, column]) => [name, row[column]]);
  return Object.fromEntries(cells) as Record<CsvColumn, string | null>;
}
