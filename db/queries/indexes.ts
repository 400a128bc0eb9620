import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

export interface IndexState {
  /** Schema and name, quoted as SQL wants them. */
  name: string;
  table: string;
  bytes: number;
  isValid: boolean;
  /** The part of it that is estimated to be empty, 0 to 1; null where the table was never analyzed. */
  bloat: number | null;
  /** What a rebuild that was broken off left behind. */
  isLeftOver: boolean;
}

/**
 * Every index of the schema audit that holds rows, largest first. The bloat of a B-tree is estimated: entries times their
 * average width (8 bytes of header, 4 of line pointer, padded to 8) in pages filled to 90 %, against the pages that it has.
 * Indexes with expressions or conditions, and those of other kinds, have no estimate.
 */
export async function indexStates(db: Db): Promise<IndexState[]> {
  return rows<IndexState>(
    db,
    sql`
      select
        format('audit.%I', c.relname) as name,
        t.relname as table,
        pg_relation_size(c.oid)::float8 as bytes,
        i.indisvalid and i.indisready as "isValid",
        case
          when m.amname = 'btree' and i.indexprs is null and i.indpred is null and t.reltuples >= 0 and c.relpages > 1 then
            greatest(0, 1 - (1 + ceil(t.reltuples * w.width / ((8192 - 24 - 16) * 0.9))) / greatest(1, pg_relation_size(c.oid) / 8192))::float8
        end as bloat,
        not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$' as "isLeftOver"
      from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid and c.relkind = 'i'
      join pg_catalog.pg_class t on t.oid = i.indrelid and t.relkind = 'r'
      join pg_catalog.pg_am m on m.oid = c.relam
      cross join lateral (
        select ceil((8 + sum(coalesce(s.avg_width, 8))) / 8.0) * 8 + 4 as width
        from unnest(i.indkey) k (number)
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
        left join pg_catalog.pg_stats s on s.schemaname = 'audit' and s.tablename = t.relname and s.attname = a.attname
      ) w
      where c.relnamespace = 'audit'::regnamespace
      order by 3 desc, 1`,
  );
}

/** From here on the session acts as the owner of the tables, which alone may rebuild their indexes. */
export async function actAsOwner(db: Db): Promise<void> {
  await db.execute(sql`set role audit_owner`);
  // A rebuild of a large month takes longer than any statement of the service.
  await db.execute(sql`set statement_timeout = 0`);
}

/** `name` as `indexStates` gives it. Outside of a transaction. */
export async function reindexConcurrently(db: Db, name: string): Promise<void> {
  await db.execute(sql`reindex index concurrently ${sql.raw(name)}`);
}

export async function dropIndexConcurrently(db: Db, name: string): Promise<void> {
  await db.execute(sql`drop index concurrently if exists ${sql.raw(name)}`);
}
