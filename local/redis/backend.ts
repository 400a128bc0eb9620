/** An error reply of Redis, such as "WRONGTYPE Operation against a key …"; a value, not something thrown at a caller. */
export class RedisError extends Error {}

/** The backend cannot be asked at the moment; nothing is known about the command's effect. */
export class BackendAwayError extends Error {}

/** A raw reply (RESP2): a string is a status such as "OK", a Buffer is a stored value, byte for byte. */
export type Reply = string | Buffer | number | null | RedisError | Reply[];

/** A command with its arguments, as text. */
export type Command = readonly string[];

export interface Backend {
  /** Answers one command, errors included. Rejects with BackendAwayError only. */
  call(command: Command): Promise<Reply>;
  /** MULTI, the commands, EXEC: one reply per command, or one RedisError when none was run. */
  exec(commands: readonly Command[]): Promise<Reply>;
  close(): void;
}
