import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import { afterAll } from "vitest";

export interface Received {
  envelope: { from: string; to: string[] };
  raw: string;
  mail: Email;
}

export interface Mailbox {
  url: string;
  received: Received[];
  /** Connections that are open now. */
  open(): number;
}

/** An SMTP server that keeps what it accepts, until the end of the test file; without TLS unless `options` say so. */
export async function startMailbox(options: SMTPServerOptions = {}): Promise<Mailbox> {
  const received: Received[] = [];
  const server = new SMTPServer({
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    closeTimeout: 100,
    onData: async (stream, session, done) => {
      const raw = await buffer(stream);
      received.push({
        envelope: envelopeOf(session),
        raw: raw.toString("latin1"),
        mail: await PostalMime.parse(raw),
      });
      done();
    },
    ...options,
  });
  server.on("error", () => undefined);
  const listener = server.listen(0, "127.0.0.1");
  await once(listener, "listening");
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = listener.address() as AddressInfo;
  return { url: `smtp://127.0.0.1:${port}`, received, open: () => server.connections.size };
}

function envelopeOf({ envelope }: SMTPServerSession): Received["envelope"] {
  const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
  return { from, to: envelope.rcptTo.map((one) => one.address) };
}

const TRICKLE_MS = 50;

/**
 * A server that answers each line by `answer`, the greeting being the answer to "", and is silent after null. `trickle`
 * says the same thing for ever.
 */
export async function startScripted(
  answer: (line: string, trickle: (text: string) => void) => string | null,
): Promise<{ url: string }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    const trickle = (text: string) => {
      const timer = setInterval(() => socket.write(text), TRICKLE_MS);
      socket.once("close", () => clearInterval(timer));
    };
    const say = (line: string) => {
      const text = answer(line, trickle);
      if (text !== null) socket.write(text);
    };
    socket.on("data", (chunk) => {
      for (const line of chunk.toString("latin1").split("\r\n")) if (line !== "") say(line);
    });
    say("");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
