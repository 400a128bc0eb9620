import { randomUUID } from "node:crypto";
import type pg from "pg";
import { withActor } from "../../client/with-actor.ts";

type Query = <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;

/** Runs statements in one transaction that says who makes them and in which request, so that the history knows. */
export async function changeAs<T>(
  db: pg.Pool,
  userId: string,
  act: (query: Query) => Promise<T>,
): Promise<T> {
  const client = await db.connect();
  try {
    await client.query("begin");
    await withActor(client, { userId, requestId: randomUUID() });
    const done = await act(async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) => {
      const { rows } = await client.query<Row>(text, values);
      return rows;
    });
    await client.query("commit");
    return done;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

/** A customer of the example's data, 1 to 40. */
export const customerId = (n: number) => `c0000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** Everything there is but updated_at, which a trigger sets: to see whether it is again as it was. */
export async function everything(db: pg.Pool): Promise<string> {
  const { rows } = await db.query<{ all: string }>(`
    select md5(concat(
      (select jsonb_agg(to_jsonb(c) - 'updated_at' order by customer_profiles_id) from customer_profiles c),
      (select jsonb_agg(to_jsonb(v) - 'updated_at' order by venue_id) from venues v),
      (select jsonb_agg(s order by singer_id) from singers s),
      (select jsonb_agg(r order by song_request_id) from song_requests r)
    )) as all`);
  return rows[0]?.all ?? "";
}
