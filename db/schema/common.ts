import { sql } from "drizzle-orm";
import { customType, pgSchema, timestamp } from "drizzle-orm/pg-core";

/** Everything of ours lives in one schema, so that the application's own migration tool sees no drift. */
export const audit = pgSchema("audit");

/** A point in time, UTC. Text in, text out would lose nothing; a Date keeps the milliseconds that JSON shows. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const createdAt = () =>
  instant("created_at")
    .notNull()
    .default(sql`clock_timestamp()`);

export const xid8 = customType<{ data: string }>({ dataType: () => "xid8" });
export const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });
export const oid = customType<{ data: number }>({ dataType: () => "oid" });
