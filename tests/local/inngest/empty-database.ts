import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, inject } from "vitest";
import { urlOn } from "../../support/global-setup.ts";

export interface EmptyDatabase {
  url(): string;
  rows<T extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
}

/** An empty database for this test file on the suite's server, dropped afterwards. */
export function useEmptyDatabase(): EmptyDatabase {
  const name = `inngest_${randomBytes(6).toString("hex")}`;
  beforeAll(async () => void (await query("postgres", `create database ${name}`)));
  afterAll(async () => void (await query("postgres", `drop database if exists ${name} with (force)`)));
  return { url: () => connectionString(name), rows: (sql, values) => query(name, sql, values) };
}

const connectionString = (database: string) => urlOn(inject("server").url, database);

async function query<T extends pg.QueryResultRow>(
  database: string,
  sql: string,
  values: unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client({ connectionString: connectionString(database) });
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
