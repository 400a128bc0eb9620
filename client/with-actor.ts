/** Who makes a change, as the row history and restores by actor know them. */
export interface Actor {
  /** 1 to 200 characters. */
  userId: string;
  /** Of the request that the change belongs to, 1 to 200 characters. */
  requestId?: string | undefined;
}

/** A client of `pg` (or of Neon's driver) that has begun a transaction, or a transaction of Drizzle's over one of them. */
export type Transaction =
  | { query(text: string): PromiseLike<unknown> }
  | { execute(text: string): PromiseLike<unknown> };

const LENGTH_MAX = 200;
/** SQLSTATE no_active_sql_transaction */
const NO_TRANSACTION = "25P01";
const CAUSES_MAX = 5;

/**
 * Says who makes the changes of this transaction: every row of the history that it leads to carries the user and the
 * request. It ends with the transaction, so that nobody after it on the same connection is taken for this user; a request
 * id that was set before, without one now, is cleared.
 *
 * Call it first in the transaction:
 *
 *     await db.transaction(async (tx) => {
 *       await withActor(tx, { userId: session.userId, requestId });
 *       await tx.delete(venues).where(eq(venues.id, id));
 *     });
 *
 * One round trip. Throws a TypeError for an actor that is none, and an Error outside a transaction, where the changes
 * would be recorded as nobody's.
 */
export async function withActor(tx: Transaction, { userId, requestId }: Actor): Promise<void> {
  // A savepoint is refused outside a transaction; set_config() would do nothing there, and say nothing.
  const text = [
    "savepoint afterimage_actor",
    "release savepoint afterimage_actor",
    `select pg_catalog.set_config('app.user_id', ${literal("userId", userId)}, true), ` +
      `pg_catalog.set_config('app.request_id', ${requestId === undefined ? "''" : literal("requestId", requestId)}, true)`,
  ].join("; ");
  try {
    // Drizzle's transactions have a `query`, too, which is no function.
    await ("execute" in tx ? tx.execute(text) : tx.query(text));
  } catch (error) {
    if (!isOutsideTransaction(error)) throw error;
    const message =
      "withActor() was called outside a transaction, where it has no effect. Begin one, and pass the client or tx that it runs on.";
    throw new Error(message, { cause: error });
  }
}

/** Any text as SQL, whatever the session's settings say of quotes and backslashes: as the hex digits of its UTF-8. */
function literal(name: string, text: unknown): string {
  if (typeof text !== "string" || text === "" || text.length > LENGTH_MAX) {
    throw new TypeError(`${name} must be a text of 1 to ${LENGTH_MAX} characters.`);
  }
  // Postgres has no NUL in a text, and half a character is none.
  if (text.includes("\0") || /\p{Surrogate}/u.test(text)) {
    throw new TypeError(`${name} holds a character that Postgres cannot store.`);
  }
  const hex = Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0"));
  return `pg_catalog.convert_from(pg_catalog.decode('${hex.join("")}', 'hex'), 'UTF8')`;
}

/** Drizzle wraps the driver's error. */
function isOutsideTransaction(error: unknown): boolean {
  for (
    let cause = error, depth = 0;
    cause instanceof Error && depth < CAUSES_MAX;
    cause = cause.cause, depth++
  ) {
    if ((cause as { code?: unknown }).code === NO_TRANSACTION) return true;
  }
  return false;
}
