import { expect, vi } from "vitest";
import type { TestDatabase } from "./database.ts";

interface Wait {
  relation?: string;
  locktype?: string;
  role?: "audit_app" | "audit_worker";
}

/**
 * Process ids of the sessions of a test's own database that wait for a lock. The server's lists hold those of all
 * databases, and in copies of one template a table has the same number, so other tests' sessions look like one's own.
 */
export async function waitingFor(
  db: TestDatabase,
  { relation, locktype, role }: Wait = {},
): Promise<number[]> {
  const waiting = await db.rows<{ pid: number }>(
    "superuser",
    `select distinct a.pid from pg_stat_activity a join pg_locks l using (pid)
     where a.datname = current_database() and not l.granted
     and l.relation is not distinct from coalesce($1::regclass, l.relation)
     and l.locktype = coalesce($2, l.locktype) and a.usename = coalesce($3, a.usename)`,
    [relation, locktype, role],
  );
  return waiting.map(({ pid }) => pid);
}

/** Waits until no autovacuum is at work in a test's own database. VACUUM keeps what one that analyzes can still see. */
export async function autovacuumEnded(db: TestDatabase): Promise<void> {
  const workers = () =>
    db.rows(
      "superuser",
      "select from pg_stat_activity where datname = current_database() and backend_type = 'autovacuum worker'",
    );
  await vi.waitFor(async () => expect(await workers()).toEqual([]), 20_000);
}
