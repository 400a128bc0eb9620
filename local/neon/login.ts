import type net from "node:net";
import { cstring, int32, message, MessageBuffer, ProtocolError } from "./messages.ts";
import { MECHANISM, Scram } from "./scram.ts";

const LOGIN_BYTES_MAX = 16 * 1_024;
/** What clients may send after their password without waiting for an answer: the driver sends its first query. */
export const PIPELINED_BYTES_MAX = 16 * 1_024 * 1_024;
const PROTOCOL_MAJOR = 3;

export const PASSWORD_PLEASE = message("R", int32(3));

/** The messages whose names begin with Authentication, by number: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const AUTH = { ok: 0, cleartext: 3, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;

export interface Login {
  startup: Buffer;
  password: string;
  /** What the client sent behind it already. */
  rest: Buffer;
}

/** Collects what a client must send before its password is known. `push` returns null until all of it is there. */
export class LoginReader {
  readonly #buffer = new MessageBuffer(PIPELINED_BYTES_MAX);
  #startup: Buffer | null = null;

  push(bytes: Buffer): Login | null {
    this.#buffer.push(bytes);
    this.#startup ??= this.#readStartup();
    if (this.#startup === null) return null;
    const answer = this.#buffer.next();
    if (answer === null) return null;
    if (answer.type !== "p" || answer.raw.length > LOGIN_BYTES_MAX) throw new ProtocolError("not a password");
    const password = answer.body.subarray(0, -1).toString();
    return { startup: this.#startup, password, rest: this.#buffer.rest() };
  }

  #readStartup(): Buffer | null {
    const startup = this.#buffer.startup();
    if (startup === null) return null;
    // Requests for TLS or to cancel a statement have other numbers here; Neon's driver sends neither.
    if (startup.length < 8 || startup.length > LOGIN_BYTES_MAX || startup.readInt16BE(4) !== PROTOCOL_MAJOR)
      throw new ProtocolError("not a startup message of protocol 3");
    return startup;
  }
}

/**
 * Logs in at a server with the client's own startup message and password: by SCRAM, in the clear, or with whatever the
 * server trusts. Resolves with the bytes that belong to the client: the acceptance and what follows it, or the refusal.
 * Rejects with ProtocolError when the server goes away or wants something else.
 */
export async function logIn(
  server: net.Socket,
  { startup, password }: Login,
): Promise<{ isIn: boolean; bytes: Buffer }> {
  const scram = new Scram(password);
  const buffer = new MessageBuffer(PIPELINED_BYTES_MAX);
  server.write(startup);
  while (true) {
    const next = buffer.next();
    if (next === null) {
      buffer.push(await bytesFrom(server));
      continue;
    }
    if (next.type === "E") return { isIn: false, bytes: next.raw };
    // NegotiateProtocolVersion and notices are none of ours to answer.
    if (next.type !== "R") continue;
    const kind = next.body.readInt32BE(0);
    if (kind === AUTH.ok) return { isIn: true, bytes: Buffer.concat([next.raw, buffer.rest()]) };
    const reply = await answerTo(kind, next.body.subarray(4), scram, password);
    if (reply) server.write(reply);
  }
}

async function answerTo(kind: number, data: Buffer, scram: Scram, password: string): Promise<Buffer | null> {
  switch (kind) {
    case AUTH.cleartext:
      return message("p", cstring(password));
    case AUTH.sasl: {
      if (!data.toString().split("\0").includes(MECHANISM)) throw new ProtocolError("no SCRAM-SHA-256");
      const first = Buffer.from(scram.first());
      return message("p", cstring(MECHANISM), int32(first.length), first);
    }
    case AUTH.saslContinue:
      return message("p", await scram.final(data.toString()));
    case AUTH.saslFinal:
      scram.verify(data.toString());
      return null;
    default:
      throw new ProtocolError(`authentication method ${kind} is not known here`);
  }
}

/** The next bytes of a socket that is otherwise left paused, so that none is lost between two calls. */
function bytesFrom(socket: net.Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      socket.off("readable", look).off("close", gone);
      act();
    };
    const look = () => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) settle(() => resolve(bytes));
    };
    const gone = () => settle(() => reject(new ProtocolError("the server ended the connection")));
    if (socket.destroyed) return gone();
    socket.on("readable", look).on("close", gone);
    look();
  });
}
