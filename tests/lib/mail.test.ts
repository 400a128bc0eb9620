import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../lib/delivery.ts";
import { createMailer, type MailMessage } from "../../lib/mail.ts";
import { startMailbox, startScripted } from "../support/smtp.ts";

const FROM = "Afterimage <alerts@example.com>";
const SHORT = { connectionMs: 300, silenceMs: 300, totalMs: 700 };
const message: MailMessage = {
  id: "01998d8e-0000-7000-8000-000000000001",
  to: ["one@example.com", "two@example.com"],
  subject: "Prüfung: a schedule is late",
  text: "It is late.\n.\nRun it.",
  html: "<p>It is late.</p>",
};
const refusal = (code: number) => Object.assign(new Error("go away, hunter2"), { responseCode: code });

async function failureOf(sending: Promise<void>): Promise<DeliveryError> {
  const error = await sending.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeliveryError);
  return error as DeliveryError;
}

describe("mail", () => {
  test("arrives with its subject, both bodies, all receivers, and the marks of a machine's message", async () => {
    const mailbox = await startMailbox();
    await createMailer({ url: mailbox.url, from: FROM }).send(message);
    const [{ envelope, mail } = expect.fail()] = mailbox.received;
    expect(envelope).toEqual({ from: "alerts@example.com", to: message.to });
    expect(mail.from).toMatchObject({ name: "Afterimage", address: "alerts@example.com" });
    expect(mail.to?.map((one) => one.address)).toEqual(message.to);
    expect(mail.subject).toBe(message.subject);
    expect(mail.text?.trim()).toBe(message.text);
    expect(mail.html?.trim()).toBe(message.html);
    const headers = Object.fromEntries(mail.headers.map(({ key, value }) => [key, value]));
    expect(headers).toMatchObject({ "auto-submitted": "auto-generated", "x-afterimage-id": message.id });
    expect(headers).not.toHaveProperty("x-mailer");
  });

  test("sent again has the same Message-ID, and each delivery closes its connection", async () => {
    const mailbox = await startMailbox();
    const mailer = createMailer({ url: mailbox.url, from: FROM });
    await mailer.send(message);
    await mailer.send(message);
    const ids = mailbox.received.map(({ mail }) => mail.messageId);
    expect(ids).toEqual([`<${message.id}@example.com>`, `<${message.id}@example.com>`]);
    await expect.poll(() => mailbox.open(), { timeout: 10_000 }).toBe(0);
  });

  test("that nobody takes fails with the reply's code and none of its words", async () => {
    const { url } = await startMailbox({ onRcptTo: (_to, _session, done) => done(refusal(550)) });
    const {
      reason,
      permanent,
      message: text,
    } = await failureOf(createMailer({ url, from: FROM }).send(message));
    expect({ reason, permanent, text }).toEqual({
      reason: "refused by the SMTP server (550)",
      permanent: false,
      text: "refused by the SMTP server (550)",
    });
  });

  test("has a subject of one line and at most 200 characters", async () => {
    const mailbox = await startMailbox();
    const subject = ` A\r\nB\u2028C ${"😀".repeat(300)}`;
    await createMailer({ url: mailbox.url, from: FROM }).send({ ...message, subject });
    expect(mailbox.received[0]?.mail.subject).toBe(`A B C ${"😀".repeat(194)}`);
  });

  test("that one of two receivers takes is delivered: sending again would reach that one twice", async () => {
    const mailbox = await startMailbox({
      onRcptTo: ({ address }, _session, done) => done(address.startsWith("two") ? refusal(450) : null),
    });
    await createMailer({ url: mailbox.url, from: FROM }).send(message);
    expect(mailbox.received[0]?.envelope.to).toEqual(["one@example.com"]);
  });

  test("to a server that is not there fails with the system's code", async () => {
    const { reason } = await failureOf(createMailer({ url: "smtp://127.0.0.1:9", from: FROM }).send(message));
    expect(reason).toBe("no delivery to the SMTP server (ECONNREFUSED)");
  });

  const replies: [stage: string, silentAt: RegExp][] = [
    ["the greeting", /^$/],
    ["EHLO", /^EHLO/],
    ["MAIL", /^MAIL/],
    ["RCPT", /^RCPT/],
    ["DATA", /^DATA/],
    ["the end of the message", /^\.$/],
  ];

  test.each(replies)("to a server that falls silent at %s fails in time", async (_, silentAt) => {
    const { url } = await startScripted((line) => {
      if (silentAt.test(line)) return null;
      if (line === "") return "220 ready\r\n";
      if (line === "DATA") return "354 go on\r\n";
      return /^(EHLO|MAIL|RCPT|\.$)/.test(line) ? "250 ok\r\n" : null;
    });
    const { reason } = await failureOf(
      createMailer({ url, from: FROM, timeouts: { ...SHORT, totalMs: 20_000 } }).send(message),
    );
    expect(reason).toBe("the SMTP server did not answer in time");
  });

  test("to a server that falls silent before TLS fails in time", async () => {
    const { url } = await startScripted(() => null);
    const timeouts = { ...SHORT, totalMs: 20_000 };
    const mailer = createMailer({ url: url.replace("smtp:", "smtps:"), from: FROM, timeouts });
    expect((await failureOf(mailer.send(message))).reason).toBe("the SMTP server did not answer in time");
  });

  test("to a server that never gets to the end of its answer fails in time", async () => {
    const { url } = await startScripted((line, trickle) => {
      if (line === "") return "220 ready\r\n";
      if (line.startsWith("MAIL")) trickle("250-wait\r\n");
      return line.startsWith("EHLO") ? "250 ok\r\n" : null;
    });
    const { reason } = await failureOf(createMailer({ url, from: FROM, timeouts: SHORT }).send(message));
    expect(reason).toBe("the SMTP server did not answer in time");
  });

  test("is not sent in the clear where TLS is required and not offered", async () => {
    const mailbox = await startMailbox();
    const send = (url: string) => failureOf(createMailer({ url, from: FROM }).send(message));
    expect((await send(`${mailbox.url}?requireTLS=true`)).reason).toMatch(/^no TLS with the SMTP server/);
    const withPassword = mailbox.url.replace("//", "//user:hunter2@");
    expect((await send(withPassword)).reason).toMatch(/^no TLS with the SMTP server/);
    expect(mailbox.received).toEqual([]);
  });

  test("is not sent to a server whose certificate nobody vouches for", async () => {
    const mailbox = await startMailbox({ disabledCommands: ["AUTH"] });
    const { reason } = await failureOf(createMailer({ url: mailbox.url, from: FROM }).send(message));
    expect(reason).toMatch(/\((CERT|DEPTH|SELF)_[A-Z_]+\)$/);
    expect(mailbox.received).toEqual([]);
  });

  test("sends its password, percent-decoded, where the URL allows that without TLS", async () => {
    const seen: unknown[] = [];
    const mailbox = await startMailbox({
      disabledCommands: ["STARTTLS"],
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) => (
        seen.push([username, password]),
        done(null, { user: 1 })
      ),
    });
    const url = `${mailbox.url.replace("//", "//us%40er:p%3A%2Fw@")}?requireTLS=false`;
    await createMailer({ url, from: FROM }).send(message);
    expect(seen).toEqual([["us@er", "p:/w"]]);
  });

  test("has no header and no receiver that its subject, receivers or id would add", async () => {
    const mailbox = await startMailbox();
    const mailer = createMailer({ url: mailbox.url, from: FROM });
    const breaks = fc.constantFrom(
      "\r\n",
      "\n",
      "\r",
      "\u2028",
      "\u0085",
      "\0",
      "\v",
      "=?utf-8?q?=0AX?=\r\n ",
    );
    const part = fc.constantFrom(
      "Bcc: evil@example.com",
      "X-Evil: 1",
      "\r\n\r\nbody",
      "a",
      "é😀",
      "<b@c>",
      ",",
    );
    const hostile = fc
      .array(fc.oneof(breaks, part), { minLength: 1, maxLength: 8 })
      .map((all) => all.join(""));
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        mailbox.received.length = 0;
        await mailer.send({ ...message, subject: `s${text}`, text, html: undefined });
        const [{ mail, envelope, raw } = expect.fail()] = mailbox.received;
        expect(envelope.to).toEqual(message.to);
        expect(mail.headers.map(({ key }) => key).toSorted()).toEqual(HEADERS);
        expect(raw.split("\r\n\r\n", 1)[0]).not.toMatch(/^(x-evil|bcc)/im);
        const to = `one${text}two@example.com`;
        if (/[^\w.!#$%&'*+/=?^`{|}~@-]/.test(to))
          await expect(mailer.send({ ...message, to })).rejects.toThrow(DeliveryError);
        await expect(mailer.send({ ...message, id: `${text}\n` })).rejects.toThrow(TypeError);
        expect(mailbox.received).toHaveLength(1);
      }),
      { numRuns: 40 },
    );
  });

  test.each([
    "a@b\r\nBcc: c@d",
    "Name\r\nBcc: c@d <a@b>",
    "a@b, c@d",
    'Evil"\n <a@b>',
    "a b@c",
    "<a@b>",
    "nobody",
    "",
  ])("is not from %j", (from) => {
    expect(() => createMailer({ url: "smtp://h", from })).toThrow(
      /^is an address such as alerts@example\.com/,
    );
  });

  test.each([
    "http://h",
    "h:25",
    "smtp://",
    "smtp://user:hunter2@h?tls.rejectUnauthorized=false",
    "smtp://user:hunter2@h?requireTLS=no",
    "smtp://user:%FF@h",
  ])("does not go by %s, and nothing of that is quoted", (url) => {
    const create = () => createMailer({ url, from: FROM });
    expect(create).toThrow(/^(is smtp:|takes one option)/);
    expect(create).not.toThrow(/hunter2/);
  });
});

const HEADERS = [
  "auto-submitted",
  "content-transfer-encoding",
  "content-type",
  "date",
  "from",
  "message-id",
  "mime-version",
  "subject",
  "to",
  "x-afterimage-id",
];
