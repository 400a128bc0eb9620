import type { TestDatabase } from "./database.ts";

/** Holds on rows of the application's tables, by `schema.name` and key; `release` lets all of them go. */
export const holdsOn = (db: TestDatabase) => ({
  place: (table: string, recordId: string) =>
    db.rows(
      "admin",
      "insert into audit.legal_holds (resource_type, resource_id, reason, placed_by_user_id) values ($1, $2, 'test', 'lawyer')",
      [table, recordId],
    ),
  release: () =>
    db.rows(
      "admin",
      "update audit.legal_holds set released_at = now(), released_by_user_id = 'lawyer', release_reason = 'test' where released_at is null",
    ),
});
