import { pastSubjects } from "../../db/queries/alerts.ts";
import { findUnpricedModels, type UnpricedModel } from "../../db/queries/trail-analytics.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const WINDOW_H = 24;
/** Callers choose the names of models: more than so many alerts at a time would only be more mails. */
const OPEN_ALERTS_MAX = 10;
const CODE = "model.unpriced";

/**
 * Alerts of models whose newest answers came without a cost, as far as they are rolled up, of ten at a time; and closes the
 * alert of a model that has a price again, or had no answer for a day. Returns how many are unpriced.
 */
export async function watchPrices(ctx: WorkerContext): Promise<{ unpricedModels: number }> {
  const open = await pastSubjects(ctx.db, CODE, { known: [] }, OPEN_ALERTS_MAX);
  const { modelCount, models } = await findUnpricedModels(ctx.db, {
    hours: WINDOW_H,
    first: open,
    limit: OPEN_ALERTS_MAX,
  });
  const unpriced = new Set(models.map(({ model }) => model));
  for (const model of open.filter((one) => !unpriced.has(one))) await resolveAlert(ctx, CODE, model);
  for (const one of models) await raise(ctx, one, modelCount);
  return { unpricedModels: modelCount };
}

function raise(
  ctx: WorkerContext,
  { model, messageCount, projectIds }: UnpricedModel,
  modelCount: number,
): Promise<void> {
  const inAll = modelCount > OPEN_ALERTS_MAX ? ` In all, ${modelCount} models have no cost.` : "";
  return raiseAlert(ctx, {
    code: "model.unpriced",
    subject: model,
    severity: "warning",
    message: `${messageCount} messages of the last ${WINDOW_H} hours were answered by ${model} and have no cost. Totals leave them out. Give the model a price where trails are written; PATCH the cost into those that are kept.${inAll}`,
    details: { messageCount, projectIds, modelCount },
  });
}
