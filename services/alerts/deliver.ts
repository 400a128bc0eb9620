import {
  disabledChannels,
  findNotification,
  giveUp,
  noteAttempt,
  noteChannelFails,
  noteChannelWorks,
  type NotificationKind,
} from "../../db/queries/notifications.ts";
import { DeliveryError } from "../../lib/delivery.ts";
import { inTransaction, type WorkerContext } from "../context.ts";
import { kindOf, type Alerting } from "./channels.ts";
import { toMessage } from "./message.ts";
import { CHANNEL_DISABLED, type PlannedMessage } from "./plan-messages.ts";
import { QUIET_S, raiseAlert, resolveAlert } from "./raise.ts";

const MS_PER_S = 1_000;

type Delivery =
  | "delivered"
  /** Given up: the channel is disabled or no longer there. */
  | "disabled"
  /** To be tried again, not sooner than the receiver asked for. */
  | { retryAfterSeconds: number };

type Ctx = WorkerContext & { alerting: Alerting };

/**
 * One attempt to send a message, noted. A process that dies between sending and noting sends again, under the same id,
 * by which the receiver can tell. After the last attempt, or where trying again is no use, the channel is disabled
 * and an alert says so on the others; a message that arrives enables it.
 */
export async function deliver(
  ctx: Ctx,
  { id, isTest }: PlannedMessage,
  { isLast }: { isLast: boolean },
): Promise<Delivery> {
  const found = await findNotification(ctx.db, id);
  if (!found) return "disabled";
  const { notification, alert } = found;
  if (notification.deliveredAt !== null) return "delivered";
  if (notification.givenUpAt !== null) return "disabled";
  if (!isTest && isSuperseded(notification.kind, alert.resolvedAt))
    return refuse(ctx, id, "the alert was resolved meanwhile");
  const channel = ctx.alerting.channels.find((one) => one.id === notification.channel);
  if (!channel) return refuse(ctx, id, "channel is no longer configured");
  if (!isTest && (await disabledChannels(ctx.db)).has(channel.id)) return refuse(ctx, id, CHANNEL_DISABLED);
  try {
    await channel.send(id, toMessage(alert, notification, ctx.alerting.docsUrl));
  } catch (error) {
    return noteFailure(ctx, { id, channel: channel.id, isTest, isLast, failure: failureOf(error) });
  }
  await inTransaction(ctx, async (inner) => {
    await noteAttempt(inner.db, id, { delivered: true });
    await noteChannelWorks(inner.db, channel.id);
    await resolveAlert(inner, "channel.disabled", channel.id);
  });
  return "delivered";
}

/** Trouble that is over for good is not told after its end was. */
const isSuperseded = (kind: NotificationKind, resolvedAt: Date | null): boolean =>
  kind !== "resolved" && resolvedAt !== null && resolvedAt.getTime() < Date.now() - QUIET_S * MS_PER_S;

async function refuse(ctx: Ctx, id: string, reason: string): Promise<Delivery> {
  await giveUp(ctx.db, id, reason);
  return "disabled";
}

interface Failure {
  reason: string;
  permanent: boolean;
  retryAfterSeconds: number;
}

/** What is no DeliveryError is a fault of ours, whose words may hold anything. */
function failureOf(error: unknown): Failure {
  if (!(error instanceof DeliveryError)) {
    const name = error instanceof Error ? error.name : typeof error;
    return { reason: `failed before it was sent (${name})`, permanent: false, retryAfterSeconds: 0 };
  }
  const { reason, permanent, retryAfterSeconds } = error;
  return { reason, permanent, retryAfterSeconds: retryAfterSeconds ?? 0 };
}

interface FailedAttempt {
  id: string;
  channel: string;
  isTest: boolean;
  isLast: boolean;
  failure: Failure;
}

async function noteFailure(ctx: Ctx, attempt: FailedAttempt): Promise<Delivery> {
  const { id, channel, isTest, isLast, failure } = attempt;
  const { reason, permanent, retryAfterSeconds } = failure;
  const givenUp = isLast || permanent;
  ctx.log.warn({ notificationId: id, channel, givenUp }, "alert not delivered");
  await inTransaction(ctx, async (inner) => {
    await noteAttempt(inner.db, id, { error: reason, givenUp });
    // A failed test is told to whoever tests.
    if (isTest) return;
    await noteChannelFails(inner.db, channel, reason, { disable: givenUp });
    if (!givenUp) return;
    await raiseAlert(inner, {
      code: "channel.disabled",
      subject: channel,
      severity: "critical",
      message: `Alerts no longer go out by ${kindOf(channel)}: ${reason}. Mend it, then run: npx afterimage alerts test`,
      details: { reason },
    });
  });
  return givenUp ? "disabled" : { retryAfterSeconds };
}
