import { randomUUID } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { SMTPServer, type SMTPServerDataStream } from "smtp-server";
import { writeWhole } from "../dev-file.ts";
import { freePort } from "../ports.ts";

const LOOPBACK = "127.0.0.1";
const MESSAGE_BYTES_MAX = 1_024 * 1_024;
const MESSAGES_MAX = 200;
const CLIENTS_MAX = 50;
const SILENCE_MS = 30_000;
const CLOSE_MS = 1_000;
const LISTEN_ATTEMPTS = 3;
const ENDING = ".eml";
const DRAFT = /\.eml\.\d+$/;

interface MailOptions {
  /** Mail is kept in `mail/` below it. */
  dataDir: string;
  /** Wanted port; another one is taken when it is in use. 0 picks any. */
  port?: number;
}

export interface LocalMail {
  /** What SMTP_URL takes. */
  url: string;
  /** The folder with a file per message, `<time>-<id>.eml`, the oldest first in order of name. */
  dir: string;
  stop(): Promise<void>;
}

/**
 * Takes mail for anybody from anybody on loopback, without passwords or TLS, and keeps the newest 200 messages as files
 * for their owner only. A message is there whole or not at all, and before it is acknowledged; one over 1 MiB is refused.
 */
export async function startMail({ dataDir, port = 0 }: MailOptions): Promise<LocalMail> {
  const dir = path.join(path.resolve(dataDir), "mail");
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  // Begun by a catcher that was killed, and never acknowledged.
  for (const name of fs.readdirSync(dir)) if (DRAFT.test(name)) fs.rmSync(path.join(dir, name));
  const { server, port: taken } = await listen(dir, port);
  return {
    url: `smtp://${LOOPBACK}:${taken}`,
    dir,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function createServer(dir: string): SMTPServer {
  const server = new SMTPServer({
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    size: MESSAGE_BYTES_MAX,
    maxClients: CLIENTS_MAX,
    socketTimeout: SILENCE_MS,
    closeTimeout: CLOSE_MS,
    onData: async (stream, _session, done) => done(await faultOf(keep(stream, dir))),
  });
  // A client that breaks off is not the end of the catcher.
  server.on("error", () => undefined);
  return server;
}

async function faultOf(work: Promise<void>): Promise<Error | null> {
  try {
    await work;
    return null;
  } catch (error) {
    return error as Error;
  }
}

async function keep(stream: SMTPServerDataStream, dir: string): Promise<void> {
  const message = await readSome(stream);
  if (message === null) throw Object.assign(new Error("The message is over 1 MiB"), { responseCode: 552 });
  const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
  writeWhole(path.join(dir, `${time}-${randomUUID()}${ENDING}`), message);
  const kept = fs.readdirSync(dir).filter((name) => name.endsWith(ENDING));
  for (const name of kept.sort().slice(0, -MESSAGES_MAX)) fs.rmSync(path.join(dir, name), { force: true });
}

/** The whole message, null when it is too big; throws when its sender breaks off. */
async function readSome(stream: SMTPServerDataStream): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  // Read to its end even then, which is where SMTP has its answer, but not kept.
  for await (const chunk of stream as AsyncIterable<Buffer>) if (!stream.sizeExceeded) chunks.push(chunk);
  return stream.sizeExceeded ? null : Buffer.concat(chunks);
}

async function listen(dir: string, wanted: number): Promise<{ server: SMTPServer; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const server = createServer(dir);
    const port = await freePort(attempt === 1 ? wanted : 0);
    try {
      const listener = server.listen(port, LOOPBACK);
      await once(listener, "listening");
      return { server, port: (listener.address() as AddressInfo).port };
    } catch (error) {
      // Between asking for a free port and listening on it, somebody else may have taken it.
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === LISTEN_ATTEMPTS) throw error;
    }
  }
}
