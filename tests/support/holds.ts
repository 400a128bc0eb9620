import { setTimeout as sleep } from "node:timers/promises";
import type { TestDatabase } from "./database.ts";
import { waitingFor } from "./waits.ts";

const POLL_MS = 10;
const PLACE =
  "insert into audit.legal_holds (resource_type, resource_id, reason, placed_by_user_id) values ($1, $2, 'test', 'lawyer')";

/** Holds on what has no workspace: rows of the application's tables by `schema.name` and key, projects, trails; `release` lets all of them go. */
export const holdsOn = (db: TestDatabase) => ({
  place: (type: string, id: string) => db.rows("admin", PLACE, [type, id]),
  release: () =>
    db.rows(
      "admin",
      "update audit.legal_holds set released_at = now(), released_by_user_id = 'lawyer', release_reason = 'test' where released_at is null",
    ),
  /** Deletes while a hold is being placed, whose transaction commits as soon as the deletion waits for it or has ended. */
  whilePlacing: async <T>(type: string, id: string, deletion: () => Promise<T>): Promise<T> => {
    const client = await db.pool("admin").connect();
    try {
      await client.query("begin");
      await client.query(PLACE, [type, id]);
      let hasEnded = false;
      const deleted = deletion().finally(() => (hasEnded = true));
      while (!hasEnded && !(await isWaitedFor(db))) await sleep(POLL_MS);
      await client.query("commit");
      return await deleted;
    } finally {
      client.release();
    }
  },
});

async function isWaitedFor(db: TestDatabase): Promise<boolean> {
  return (await waitingFor(db, { relation: "audit.legal_holds" })).length > 0;
}
