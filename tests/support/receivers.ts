import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";
import { afterAll } from "vitest";
import { startMailbox, type Received } from "./smtp.ts";

export interface Hook {
  id: string;
  body: { type: string; timestamp: string; data: Record<string, unknown> };
}

export interface Receivers {
  /** The variables that lead a deployment's alerts here. */
  env: Record<string, string>;
  mails: Received[];
  /** Requests whose signature holds, as Standard Webhooks' own library says. */
  hooks: Hook[];
  /** How each answers: an SMTP refusal, a status, and what is done before the answer. */
  mail: { refuse: boolean };
  hook: { status: number; retryAfter?: string; before?: () => Promise<void> };
  reset(): void;
}

/** A real SMTP server and a real receiver of webhooks, for one test file. */
export async function startReceivers(): Promise<Receivers> {
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const mailbox = await startMailbox({
    onRcptTo: (_address, _session, done) =>
      done(all.mail.refuse ? Object.assign(new Error("no"), { responseCode: 451 }) : null),
  });
  const receive = async (request: http.IncomingMessage) => {
    const headers = request.headers as Record<string, string>;
    const body = new Webhook(secret).verify(await text(request), headers) as Hook["body"];
    all.hooks.push({ id: headers["webhook-id"] ?? "", body });
    await all.hook.before?.();
  };
  const server = http.createServer((request, response) => {
    void receive(request).finally(() => {
      const { status, retryAfter } = all.hook;
      response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter }).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  const all: Receivers = {
    env: {
      SMTP_URL: mailbox.url,
      ALERT_MAIL_FROM: "Afterimage <alerts@example.com>",
      ALERT_MAIL_TO: "ops@example.com",
      ALERT_WEBHOOK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
      ALERT_WEBHOOK_SECRET: secret,
      ALERT_WEBHOOK_ALLOW_PRIVATE: "true",
    },
    mails: mailbox.received,
    hooks: [],
    mail: { refuse: false },
    hook: { status: 204 },
    reset: () => {
      all.mails.length = 0;
      all.hooks.length = 0;
      all.mail = { refuse: false };
      all.hook = { status: 204 };
    },
  };
  return all;
}
