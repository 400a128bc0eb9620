import { RedisError } from "../backend.ts";
import { bulk, type CommandTable } from "./command.ts";
import type { Keyspace } from "./keyspace.ts";

export const serverCommands: CommandTable = {
  ping: { min: 0, max: 1, run: (_keyspace, [message]) => (message === undefined ? "PONG" : bulk(message)) },
  dbsize: { min: 0, max: 0, run: (keyspace) => keyspace.keys().length },
  flushall: { min: 0, run: flush },
  flushdb: { min: 0, run: flush },
};

function flush(keyspace: Keyspace, args: string[]): string {
  if (args.length > 1 || !/^(a?sync)?$/i.test(args[0] ?? "")) throw new RedisError("ERR syntax error");
  keyspace.clear();
  return "OK";
}
