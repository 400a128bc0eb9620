import { insertAlert } from "../../db/queries/alerts.ts";
import { notificationsOfRequest } from "../../db/queries/notifications.ts";
import { findRequest } from "../../db/queries/requests.ts";
import { inTransaction, type Context, type WorkerContext } from "../context.ts";
import type { AlertCode } from "./codes.ts";
import { requestMessage } from "./request-message.ts";

const TEST: AlertCode = "alert.test";

/** Asks for a test message on every channel, disabled ones too; returns the request's id. Its alert is never open. */
export async function requestTest(ctx: WorkerContext, operator: string): Promise<string> {
  return inTransaction(ctx, async (inner) => {
    const alert = {
      code: TEST,
      subject: operator,
      severity: "warning",
      message: `${operator} tries whether alerts arrive. Nothing is wrong, and nothing is to be done.`,
    } as const;
    const { id } = await insertAlert(inner.db, alert, { closed: true, notified: true });
    return requestMessage(inner, id, "raised");
  });
}

export interface TestProgress {
  /** Whether the workflow engine took the event. */
  sent: boolean;
  /** Whether the workflow has begun; from then on `channels` is complete. */
  pickedUp: boolean;
  channels: { channel: string; state: "waiting" | "delivered" | "failed"; error: string | null }[];
}

export async function testProgress(ctx: Pick<Context, "db">, requestId: string): Promise<TestProgress> {
  const request = await findRequest(ctx.db, requestId);
  const messages = await notificationsOfRequest(ctx.db, requestId);
  return {
    sent: (request?.sendCount ?? 0) > 0,
    pickedUp: (request?.pickedUpAt ?? null) !== null,
    channels: messages.map(({ channel, deliveredAt, givenUpAt, lastError }) => ({
      channel,
      state: deliveredAt ? "delivered" : givenUpAt ? "failed" : "waiting",
      error: lastError,
    })),
  };
}
