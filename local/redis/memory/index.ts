import { BackendAwayError, RedisError, type Backend, type Command, type Reply } from "../backend.ts";
import { fromText, type CommandTable } from "./command.ts";
import { hashCommands } from "./hashes.ts";
import { keyCommands } from "./keys.ts";
import { Keyspace } from "./keyspace.ts";
import { runScript } from "./lua.ts";
import { parseInteger } from "./numbers.ts";
import { serverCommands } from "./server.ts";
import { stringCommands } from "./strings.ts";

const SWEEP_INTERVAL_MS = 30_000;
const COMMANDS: CommandTable = { ...stringCommands, ...keyCommands, ...hashCommands, ...serverCommands };

/**
 * A small part of Redis in this process' memory, for machines without a redis-server.
 *
 * It has strings (GET SET MGET STRLEN GETRANGE INCR INCRBY), hashes (HGET HSET HMGET HGETALL HDEL HINCRBY HLEN HSCAN),
 * keys (DEL UNLINK EXISTS TYPE EXPIRE PEXPIRE TTL PTTL KEYS SCAN DBSIZE FLUSHALL FLUSHDB), PING and EVAL.
 * It leaves out: every other command and type; persistence; options of SET beyond NX XX PX EX, of EXPIRE,
 * TYPE of SCAN and MATCH of HSCAN; eviction. Lua is 5.3 with 32-bit integers that wrap (Redis: 5.1, all doubles), with string,
 * table and math and without cjson, struct, bit, cmsgpack and every `redis.` function but call and pcall.
 */
export function startMemory(): Backend {
  const keyspace = new Keyspace();
  const sweeper = setInterval(() => keyspace.sweep(), SWEEP_INTERVAL_MS).unref();
  let closed = false;
  const guard = () => {
    if (closed) throw new BackendAwayError("Redis is away: stopped");
  };
  return {
    async call(command) {
      guard();
      return execute(keyspace, command.map(fromText));
    },
    async exec(commands) {
      guard();
      const asBytes = commands.map((command) => command.map(fromText));
      if (asBytes.some((command) => refusal(command) !== null)) {
        return new RedisError("EXECABORT Transaction discarded because of previous errors.");
      }
      return asBytes.map((command) => execute(keyspace, command));
    },
    close() {
      closed = true;
      clearInterval(sweeper);
    },
  };
}

function execute(keyspace: Keyspace, command: Command): Reply {
  const refused = refusal(command);
  if (refused !== null) return refused;
  const [name = "", ...args] = command;
  try {
    if (isEval(name)) return evaluate(keyspace, args);
    return COMMANDS[name.toLowerCase()]?.run(keyspace, args) ?? null;
  } catch (error) {
    if (error instanceof RedisError) return error;
    throw error;
  }
}

/** What Redis says before it runs a command: unknown, or called with too few or too many arguments. */
function refusal([name = "", ...args]: Command): RedisError | null {
  const lower = name.toLowerCase();
  if (lower === "evalsha") return new RedisError("NOSCRIPT No matching script. Please use EVAL.");
  const { min, max = Infinity } = isEval(name) ? { min: 2 } : (COMMANDS[lower] ?? { min: -1 });
  if (min < 0) return new RedisError(`ERR unknown command '${name}': the in-memory subset lacks it`);
  if (args.length >= min && args.length <= max) return null;
  return new RedisError(`ERR wrong number of arguments for '${lower}' command`);
}

const isEval = (name: string) => name.toLowerCase() === "eval";

function evaluate(keyspace: Keyspace, [script = "", keyCount = "", ...rest]: string[]): Reply {
  const count = parseInteger(keyCount);
  if (count < 0) throw new RedisError("ERR Number of keys can't be negative");
  if (count > rest.length) throw new RedisError("ERR Number of keys can't be greater than number of args");
  return runScript({ script, keys: rest.slice(0, count), args: rest.slice(count) }, (command) =>
    isEval(command[0] ?? "")
      ? new RedisError("ERR This Redis command is not allowed from script")
      : execute(keyspace, command),
  );
}
