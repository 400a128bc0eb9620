import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

/**
 * The key of an object that is about to be written, below the prefix of this installation; `name` is unlike any other. It is
 * noted first, so that the object is known as ours whatever becomes of it.
 */
export async function nameObject(db: Db, month: string, name: string): Promise<string> {
  const [row] = await rows<{ key: string }>(
    db,
    sql`
      insert into audit.cold_objects (object_key, month)
      select i.id || '/' || ${name}::text, ${month}::date
      from audit.installation i
      returning object_key as key`,
  );
  if (!row) throw new Error("this installation has no id");
  return row.key;
}

/**
 * Objects of a month that belong to no file: what tries that were given up have left. One that was named after the month's last
 * drop is perhaps just being written, of events that were archived late.
 */
export async function leftOverObjects(db: Db, month: string): Promise<string[]> {
  const found = await rows<{ key: string }>(
    db,
    sql`
      select o.object_key as key
      from audit.cold_objects o
      where o.month = ${month}::date
        and o.named_at < (select max(f.dropped_at) from audit.cold_months f where f.month = o.month)
        and not exists (select from audit.cold_months f where f.object_key = o.object_key)`,
  );
  return found.map(({ key }) => key);
}

/** Forgets the name of an object that was removed. */
export async function forgetObject(db: Db, key: string): Promise<void> {
  await db.execute(sql`delete from audit.cold_objects where object_key = ${key}`);
}
