import { LOCK_NOT_AVAILABLE, QUERY_CANCELED } from "../../lib/sqlstate.ts";
import { postgresError } from "../postgres-errors.ts";

/** SQLSTATE classes of what may work when the step is repeated: connections, resources, an operator's intervention. */
const TRANSIENT = /^(08|25|53|57|58|XX)/;

/**
 * What an action gives, or in words that follow the table's name why the database refused it for good, so that one rule holds
 * up no other. What may work the next time is thrown.
 */
export async function refusedInWords<T>(action: () => Promise<T>): Promise<T | string> {
  try {
    return await action();
  } catch (error) {
    const code = postgresError(error)?.code;
    if (code === QUERY_CANCELED)
      return "takes longer to look through than a statement may (57014); an index on the column of olderThan helps";
    if (code === LOCK_NOT_AVAILABLE) return "was locked by others (55P03)";
    if (code === undefined || TRANSIENT.test(code)) throw error;
    return `was stopped by the database (${code})`;
  }
}
