import type { Tracing } from "../../lib/tracing.ts";

const OPERATIONS = new Set([
  "SELECT",
  "INSERT",
  "UPDATE",
  "DELETE",
  "WITH",
  "BEGIN",
  "COMMIT",
  "ROLLBACK",
  "SAVEPOINT",
  "RELEASE",
]);

type Query = (...args: unknown[]) => Promise<unknown>;

/**
 * The pool, or a client that a transaction took out of it, with a span around each statement: its operation, and the
 * code of its error, never its text or parameters. A pool's span holds the wait for a connection. A client is not changed:
 * the pool uses it, too.
 */
export function traced<Q extends object>(queryable: Q, tracing: Tracing): Q {
  if (!tracing.isOn) return queryable;
  // Drizzle passes a config or a text and awaits the result; no driver here is called with a callback.
  const run = (queryable as { query: Query }).query.bind(queryable);
  const query: Query = (...args) => {
    const operation = operationOf(args[0]);
    const attributes = { "db.system.name": "postgresql", "db.operation.name": operation };
    return tracing.span({ name: operation, kind: "client", attributes }, () => run(...args));
  };
  return Object.create(queryable, { query: { value: query } }) as Q;
}

function operationOf(statement: unknown): string {
  const text = typeof statement === "string" ? statement : (statement as { text?: unknown } | null)?.text;
  const word = /^\s*([a-z]+)/i.exec(typeof text === "string" ? text : "")?.[1]?.toUpperCase() ?? "";
  return OPERATIONS.has(word) ? word : "OTHER";
}
