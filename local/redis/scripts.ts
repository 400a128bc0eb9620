import { createHash } from "node:crypto";
import { RedisError, type Command, type Reply } from "./backend.ts";

const MAX_SCRIPTS = 1_000;
/** Upstash takes "#!lua flags=allow-key-locking"; Redis refuses the flag, and before version 7 the whole line. */
const SHEBANG = /^#!lua[^\n]*/;

/** What a command becomes: something to send on, or an answer that needs no backend. */
export type Translated = { command: Command } | { reply: Reply };

const sha1 = (text: string) => createHash("sha1").update(text).digest("hex");

/**
 * Remembers scripts by the SHA-1 of the text that the client sent, shebang included, and turns
 * EVALSHA and SCRIPT into what a backend understands that has never seen that text.
 */
export class ScriptCache {
  private readonly scripts = new Map<string, string>();

  translate(command: Command): Translated {
    const [name = "", first = "", ...rest] = command;
    switch (name.toLowerCase()) {
      case "eval":
      case "eval_ro":
        return command.length < 3 ? { command } : { command: [name, this.remember(first), ...rest] };
      case "evalsha":
      case "evalsha_ro": {
        const script = this.scripts.get(first.toLowerCase());
        const plainName = name.toLowerCase() === "evalsha" ? "EVAL" : "EVAL_RO";
        return { command: script === undefined ? command : [plainName, script, ...rest] };
      }
      case "script":
        return { reply: this.manage(first.toLowerCase(), rest) };
      default:
        return { command };
    }
  }

  private manage(action: string, args: string[]): Reply {
    switch (action) {
      case "load": {
        if (args.length !== 1)
          return new RedisError("ERR wrong number of arguments for 'script|load' command");
        const [script = ""] = args;
        this.remember(script);
        return Buffer.from(sha1(script));
      }
      case "exists":
        return args.map((sha) => (this.scripts.has(sha.toLowerCase()) ? 1 : 0));
      case "flush":
        this.scripts.clear();
        return "OK";
      default:
        return new RedisError(`ERR unknown subcommand '${action}' of SCRIPT`);
    }
  }

  private remember(script: string): string {
    const plain = script.replace(SHEBANG, "");
    this.scripts.set(sha1(script), plain);
    const [oldest] = this.scripts.keys();
    if (this.scripts.size > MAX_SCRIPTS && oldest !== undefined) this.scripts.delete(oldest);
    return plain;
  }
}
