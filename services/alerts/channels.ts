import { createHash } from "node:crypto";
import type { Env } from "../../lib/env.ts";
import { createMailer } from "../../lib/mail.ts";
import { createWebhookSender } from "../../lib/webhooks.ts";
import type { Message } from "./message.ts";

const URL_DIGEST_CHARACTERS = 12;

/** A way out for alerts. */
export interface Channel {
  /** `mail`, or `webhook:` and the digest of its URL: what the database knows it by. */
  id: string;
  /**
   * Sends a message whose id stays the same however often it is sent. Throws a DeliveryError with the reason when it
   * was not accepted.
   */
  send(id: string, message: Message): Promise<void>;
}

/** Where the alerts of this deployment go, and where their codes are explained. */
export interface Alerting {
  channels: readonly Channel[];
  /** Mails something else to the same receivers, as `Channel.send` does; null where no mail is set up. */
  mail: ((id: string, mail: Message["mail"]) => Promise<void>) | null;
  docsUrl: string;
}

/** `mail` and `webhook`: a channel's kind, without which of them it is. */
export const kindOf = (channel: string) => channel.split(":")[0] as string;

export function createAlerting(env: Env): Alerting {
  const mail = operatorsMail(env);
  const mailChannel: Channel | null = mail && { id: "mail", send: (id, message) => mail(id, message.mail) };
  const channels = [mailChannel, webhookChannel(env)].filter((channel) => channel !== null);
  return { channels, mail, docsUrl: env.ALERT_DOCS_URL };
}

function operatorsMail({ SMTP_URL: url, ALERT_MAIL_FROM: from, ALERT_MAIL_TO: to }: Env): Alerting["mail"] {
  if (url === undefined || from === undefined || to === undefined) return null;
  const mailer = createMailer({ url, from });
  return (id, mail) => mailer.send({ id, to, ...mail });
}

function webhookChannel(env: Env): Channel | null {
  const { ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: secrets } = env;
  if (url === undefined || secrets === undefined) return null;
  const sender = createWebhookSender({ allowPrivate: env.ALERT_WEBHOOK_ALLOW_PRIVATE });
  const digest = createHash("sha256").update(url).digest("hex").slice(0, URL_DIGEST_CHARACTERS);
  return {
    id: `webhook:${digest}`,
    send: (id, { webhook }) => sender.send({ url, secrets, id, body: JSON.stringify(webhook) }),
  };
}
