import {
  findDueRequest,
  noteSent,
  waitingRequests,
  type WorkflowRequest,
} from "../../db/queries/requests.ts";
import { safeError } from "../../lib/logger.ts";
import type { Context, WorkerContext } from "../context.ts";

const PICK_UP_SECONDS = 60;
const REQUESTS_MAX = 100;

type Sender = Pick<WorkerContext, "db" | "send" | "log">;

/** Sends again what no workflow has picked up for 60 s, 100 requests at most; returns how many the engine took. */
export async function resendWaiting(ctx: Sender): Promise<{ sent: number }> {
  let sent = 0;
  for (const request of await waitingRequests(ctx.db, PICK_UP_SECONDS, REQUESTS_MAX)) {
    if (!(await resend(ctx, request))) break;
    sent++;
  }
  return { sent };
}

/** The same for one request, when somebody looks at what it asked for. */
export async function resendIfWaiting(
  ctx: Pick<Context, "db" | "send" | "log">,
  eventId: string,
): Promise<void> {
  const request = await findDueRequest(ctx.db, eventId, PICK_UP_SECONDS);
  if (request) await resend(ctx, request);
}

async function resend(ctx: Sender, { eventId, eventName, data }: WorkflowRequest): Promise<boolean> {
  try {
    await ctx.send([{ id: eventId, name: eventName, data: data as Record<string, unknown> }]);
  } catch (error) {
    ctx.log.warn({ eventId, error: safeError(error) }, "workflow engine away");
    return false;
  }
  await noteSent(ctx.db, eventId);
  return true;
}
