import { noteReminders } from "../../db/queries/alerts.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { isQuiet } from "../quiet.ts";
import { requestMessage } from "./request-message.ts";

const REMIND_AFTER_S = 24 * 60 * 60;

/** Tells every alert again that is open, and that nobody has acknowledged, a day after its last message. */
export async function remindOfAlerts(ctx: WorkerContext): Promise<{ reminded: number }> {
  if (await isQuiet(ctx)) return { reminded: 0 };
  return inTransaction(ctx, async (inner) => {
    const due = await noteReminders(inner.db, REMIND_AFTER_S);
    for (const id of due) await requestMessage(inner, id, "reminded");
    return { reminded: due.length };
  });
}
