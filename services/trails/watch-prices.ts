import { pastSubjects } from "../../db/queries/alerts.ts";
import { findUnpricedModels, type UnpricedModel } from "../../db/queries/trail-analytics.ts";
import { raiseAlert, resolveAlert } from "../alerts/raise.ts";
import type { WorkerContext } from "../context.ts";

const WINDOW_H = 24;
const MODELS_MAX = 100;
const CODE = "model.unpriced";

/**
 * Alerts of each model whose newest answers came without a cost, as far as they are rolled up, and closes the alert of a
 * model that has a price again, or had no answer for a day. Returns how many are unpriced, 100 at most.
 */
export async function watchPrices(ctx: WorkerContext): Promise<{ unpricedModels: number }> {
  const unpriced = await findUnpricedModels(ctx.db, WINDOW_H, MODELS_MAX);
  for (const one of unpriced) await raise(ctx, one);
  const known = unpriced.map(({ model }) => model);
  for (const model of await pastSubjects(ctx.db, CODE, { known }, MODELS_MAX)) {
    await resolveAlert(ctx, CODE, model);
  }
  return { unpricedModels: unpriced.length };
}

const raise = (ctx: WorkerContext, { model, messageCount, projectIds }: UnpricedModel) =>
  raiseAlert(ctx, {
    code: "model.unpriced",
    subject: model,
    severity: "warning",
    message: `${messageCount} messages of the last ${WINDOW_H} hours were answered by ${model} and have no cost. Totals leave them out. Give the model a price where trails are written; PATCH the cost into those that are kept.`,
    details: { messageCount, projectIds },
  });
