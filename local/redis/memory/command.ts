import type { Reply } from "../backend.ts";
import type { Keyspace } from "./keyspace.ts";

/**
 * Inside the subset every key, value and argument is a string of bytes (one character per byte), as in
 * Redis: lengths and patterns count bytes, and what Lua makes need not be UTF-8.
 */
interface CommandSpec {
  /** How many arguments it takes, its name not counted. */
  min: number;
  max?: number;
  /** Throws RedisError for what Redis answers with an error. */
  run(keyspace: Keyspace, args: string[]): Reply;
}

export type CommandTable = Record<string, CommandSpec>;

export const fromText = (text: string) => Buffer.from(text, "utf8").toString("latin1");

export const bulk = (bytes: string | undefined | null): Buffer | null =>
  bytes === undefined || bytes === null ? null : Buffer.from(bytes, "latin1");
