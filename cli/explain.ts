import { causesOf } from "../lib/causes.ts";
import { postgresError } from "../services/postgres-errors.ts";

const AWAY =
  "Nothing answers at the database's address. Check that it runs, and host and port of its URL. Locally: npm start";
const UNKNOWN_HOST = "The host in the database's URL is not known. Check its spelling, and the network.";
const NO_ANSWER = "The database did not answer in time. Check its address and the network, then try again.";
const LOST =
  "The connection to the database was lost, and the last change may be made or not: look before you repeat it. An import goes on with the same command.";

const CONNECTION: Record<string, string> = {
  ECONNREFUSED: AWAY,
  EHOSTUNREACH: AWAY,
  ENETUNREACH: AWAY,
  ENOTFOUND: UNKNOWN_HOST,
  EAI_AGAIN: UNKNOWN_HOST,
  ETIMEDOUT: NO_ANSWER,
  ECONNRESET: LOST,
  EPIPE: LOST,
};
/** What drivers say without a code, or around an error that has one. */
const CONNECTION_MESSAGES: readonly [RegExp, string][] = [
  [/^(timeout expired|timeout exceeded when trying to connect|Query read timeout)/, NO_ANSWER],
  [/^Connection terminated due to connection timeout/, NO_ANSWER],
  [/^(Connection terminated|Client has encountered a connection error|Client was closed)/, LOST],
];

const FILE: Record<string, string> = {
  ENOENT: "There is no such file",
  EISDIR: "A file is wanted, not a folder",
  EACCES: "The file, or its folder, may not be used",
  EROFS: "The file, or its folder, may not be used",
  EPERM: "The file, or its folder, may not be used",
};

const NOT_MIGRATED = "Check that the URL names the right database; if it does, run: npx afterimage migrate";
const ADVICE: Record<string, string> = {
  "28000": "Check user and password in the database's URL.",
  "28P01": "Check user and password in the database's URL.",
  "3D000": "Check the name of the database in its URL.",
  "42501": "Check whose URL the variable has: npx afterimage --help",
};
/** What Postgres says where our schema, or a piece of it, is not there. */
const LACKS_OURS = /^((relation|schema) "audit[".]|function audit\.).* does not exist/;

/**
 * What went wrong in one line, and what to do: a stack trace helps nobody at a terminal. What a query was given, which
 * the query builder's own errors quote, is never part of it.
 */
export function explain(error: unknown): string {
  const causes = [...causesOf(error)];
  for (const cause of causes) {
    const words = connectionFault(cause) ?? fileFault(cause) ?? refusal(cause) ?? ownWords(cause);
    if (words !== undefined) return words;
  }
  const said = causes.map(connectionMessage).find((words) => words !== undefined);
  return said ?? (error instanceof Error ? "A query failed for an unknown reason." : String(error));
}

function connectionFault(error: Error): string | undefined {
  const { code = "", syscall } = error as NodeJS.ErrnoException;
  return CONNECTION[code] ?? (syscall === "connect" ? AWAY : undefined);
}

const connectionMessage = ({ message }: Error) =>
  CONNECTION_MESSAGES.find(([pattern]) => pattern.test(message))?.[1];

function fileFault(error: Error): string | undefined {
  const { code = "", syscall, path } = error as NodeJS.ErrnoException;
  const fault = syscall === undefined ? undefined : FILE[code];
  return fault && (path === undefined ? `${fault}.` : `${fault}: ${path} (from ${process.cwd()})`);
}

/** Whether Postgres misses what a migration makes. */
export const lacksSchema = (refused: Error): boolean => LACKS_OURS.test(refused.message);

function refusal(error: Error): string | undefined {
  const refused = postgresError(error);
  // What it found further down comes up in its turn.
  if (refused === null || refused !== error) return undefined;
  const { code, message, hint } = refused;
  const advice = lacksSchema(refused) ? NOT_MIGRATED : (hint ?? ADVICE[code]);
  return `Postgres refused (${code}): ${message}${advice ? `. ${advice}` : ""}`;
}

const ownWords = (error: Error) =>
  error.message.startsWith("Failed query:") || connectionMessage(error) ? undefined : error.message;
