import pg from "pg";
import type { Role, TestDatabase } from "../support/database.ts";

/** What a statement failed with; a statement that passes is the failure here. */
export interface Failure {
  code: string;
  message: string;
  constraint: string;
}

export async function failure(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    const { code = "", message, constraint = "" } = error as Partial<Failure> & Error;
    return { code, message, constraint };
  }
  return { code: "", message: "nothing failed", constraint: "" };
}

/** A connection of its own, ended afterwards: session settings, temporary objects and open transactions go with it. */
export async function withClient<T>(
  db: TestDatabase,
  role: Role,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: db.url(role) });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function one<T extends pg.QueryResultRow = pg.QueryResultRow>(
  client: pg.Client | pg.Pool | pg.PoolClient,
  text: string,
  values?: unknown[],
): Promise<T> {
  const { rows } = await client.query<T>(text, values);
  const [row] = rows;
  if (row === undefined) throw new Error(`no row: ${text}`);
  return row;
}

export function event(over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    workspace_id: "ws-1",
    created_by_user_id: "u-1",
    action_type: "TEST",
    resource_type: "thing",
    resource_id: "t-1",
    ...over,
  };
}

/** The month so many months from now, as partitions are named: 2026_01. */
export function month(offset: number): string {
  const now = new Date();
  const at = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1));
  return at.toISOString().slice(0, 7).replace("-", "_");
}

/** The month's partition of audit_events that holds now. */
export function partitionOfNow(): string {
  return `audit_events_${month(0)}`;
}
