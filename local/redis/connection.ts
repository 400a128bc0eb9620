import net from "node:net";
import { BackendAwayError, RedisError, type Backend, type Command, type Reply } from "./backend.ts";
import { encodeCommand, ReplyReader } from "./resp.ts";

const CONNECT_TIMEOUT_MS = 1_000;
const REPLY_TIMEOUT_MS = 10_000;
const MAX_WAITING = 10_000;

export interface Address {
  port: number;
  password: string;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: BackendAwayError): void;
}

/**
 * A backend over one pipelined connection to a redis-server on loopback. It connects when first asked
 * and again after a loss; `address` is read each time, since a restarted server may listen elsewhere.
 */
export function connectRedis(address: () => Address): Backend {
  let current: Promise<Connection> | null = null;
  let closed = false;

  const connection = (): Promise<Connection> => {
    if (closed) return Promise.reject(new BackendAwayError("the connection to Redis is closed"));
    current ??= open(address(), () => (current = null));
    return current;
  };

  return {
    async call(command) {
      const [reply] = await (await connection()).send([command]);
      return reply ?? null;
    },
    async exec(commands) {
      const replies = await (await connection()).send([["MULTI"], ...commands, ["EXEC"]]);
      return replies.at(-1) ?? null;
    },
    close() {
      closed = true;
      void current?.then((link) => link.destroy()).catch(() => undefined);
    },
  };
}

interface Connection {
  /** Sends all or none, in one piece: half a transaction would catch the commands of others. */
  send(commands: readonly Command[]): Promise<Reply[]>;
  destroy(): void;
}

async function open({ port, password }: Address, onClose: () => void): Promise<Connection> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  const reader = new ReplyReader();
  const waiting: Waiting[] = [];
  let lost: BackendAwayError | null = null;

  socket.on("data", (chunk) => {
    try {
      for (const reply of reader.push(chunk)) waiting.shift()?.resolve(reply);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
  socket.on("timeout", () => {
    if (waiting.length > 0) socket.destroy(new Error(`no reply within ${REPLY_TIMEOUT_MS} ms`));
  });
  socket.on("error", (error) => (lost = new BackendAwayError(`Redis is away: ${error.message}`)));
  socket.on("close", () => {
    lost ??= new BackendAwayError("Redis is away: it closed the connection");
    for (const { reject } of waiting.splice(0)) reject(lost);
    onClose();
  });

  const send = async (commands: readonly Command[]) => {
    if (lost) throw lost;
    if (waiting.length + commands.length > MAX_WAITING) {
      throw new BackendAwayError("too many commands wait for Redis");
    }
    const replies = commands.map(
      () => new Promise<Reply>((resolve, reject) => waiting.push({ resolve, reject })),
    );
    socket.write(commands.map(encodeCommand).join(""));
    return Promise.all(replies);
  };

  socket.setTimeout(CONNECT_TIMEOUT_MS);
  const [greeting] = await send([["AUTH", password]]);
  socket.setTimeout(REPLY_TIMEOUT_MS);
  if (greeting instanceof RedisError) {
    socket.destroy();
    throw new BackendAwayError(`Redis is away: ${greeting.message}`);
  }
  return { send, destroy: () => socket.destroy() };
}
