import { DeliveryError, errorCode, requireMessageId } from "./delivery.ts";
import { parseMailbox, parseRecipients } from "./mail-address.ts";
import { parseSmtpUrl } from "./smtp-url.ts";

const SUBJECT_CHARACTERS_MAX = 200;

interface MailTimeouts {
  /** Until the server has greeted, its name's look-up and TLS included. */
  connectionMs: number;
  /** Without a byte from the server. */
  silenceMs: number;
  /** For the whole delivery, however busy it is. */
  totalMs: number;
}

const MAIL_TIMEOUTS: MailTimeouts = { connectionMs: 10_000, silenceMs: 10_000, totalMs: 20_000 };
/** For the server to close its side, after which the connection is dropped. */
const CLOSE_MS = 1_000;

export interface MailMessage {
  /** Stays the same when a message is sent again: its Message-ID and X-Afterimage-Id, by which a reader can tell. */
  id: string;
  to: string | readonly string[];
  subject: string;
  text: string;
  html?: string | undefined;
}

interface Mailer {
  /**
   * Hands the message to the SMTP server within 20 s, over a connection of its own. It counts as delivered when the
   * server accepted it for at least one recipient: sending again would reach that one twice. Throws a DeliveryError
   * otherwise, and a TypeError for an id that is no message id.
   */
  send(message: MailMessage): Promise<void>;
}

interface MailerOptions {
  /** See `parseSmtpUrl`. */
  url: string;
  /** `someone@host` or `Name <someone@host>`. */
  from: string;
  timeouts?: MailTimeouts;
}

/** Mail over SMTP. Throws an Error, quoting nothing, when `url` or `from` is not of its form. */
export function createMailer({ url, from, timeouts = MAIL_TIMEOUTS }: MailerOptions): Mailer {
  const server = parseSmtpUrl(url);
  const sender = parseMailbox(from);
  return {
    async send({ id, to, subject, text, html }) {
      const domain = sender.address.slice(sender.address.lastIndexOf("@") + 1);
      const messageId = `<${requireMessageId(id)}@${domain}>`;
      const recipients = readRecipients(to);
      // Loaded when there is something to send, so that a function starts without it.
      const { createTransport } = await import("nodemailer");
      const signal = AbortSignal.timeout(timeouts.totalMs);
      const transport = createTransport({
        ...server,
        connectionTimeout: timeouts.connectionMs,
        greetingTimeout: timeouts.connectionMs,
        socketTimeout: timeouts.silenceMs,
        socketCloseTimeout: CLOSE_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      const message = {
        messageId,
        from: sender,
        // As objects, which nobody takes apart again: a comma in an address cannot add another.
        to: recipients.map((address) => ({ name: "", address })),
        envelope: { from: sender.address, to: recipients },
        subject: oneLine(subject),
        text,
        html,
        headers: { "Auto-Submitted": "auto-generated", "X-Afterimage-Id": id },
        xMailer: false as const,
        signal,
      };
      try {
        await transport.sendMail(message);
      } catch (error) {
        throw new DeliveryError(reasonOf(error, signal.aborted));
      }
    },
  };
}

function readRecipients(to: string | readonly string[]): string[] {
  try {
    return (typeof to === "string" ? [to] : to).flatMap(parseRecipients);
  } catch {
    throw new DeliveryError("a recipient is no mail address");
  }
}

/** A header ends where a line ends, so a subject is one line. */
function oneLine(subject: string): string {
  const line = subject.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return [...line].slice(0, SUBJECT_CHARACTERS_MAX).join("");
}

/** nodemailer puts its own code over the system's, and quotes what the server said; only codes are taken. */
function reasonOf(error: unknown, isLate: boolean): string {
  const { originalCode, responseCode } = error as { originalCode?: unknown; responseCode?: unknown };
  const code = errorCode(error) ?? "no code";
  const cause = errorCode(Object.assign(new Error(), { code: originalCode })) ?? code;
  if (isLate || code === "ETIMEDOUT" || cause === "ETIMEDOUT")
    return "the SMTP server did not answer in time";
  if (code === "ETLS") return `no TLS with the SMTP server (${cause})`;
  const isReply = typeof responseCode === "number" && responseCode >= 200 && responseCode <= 599;
  if (isReply) return `refused by the SMTP server (${responseCode})`;
  return `no delivery to the SMTP server (${cause})`;
}
