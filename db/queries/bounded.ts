import { sql, type SQL } from "drizzle-orm";

/** Rows of a list that memory has room for. */
export interface Bounded<Row> {
  rows: Row[];
  /** Whether there are more, which were left out for their size. */
  isCut: boolean;
}

/** What a statement says of each row to make a `Bounded` of them. */
export interface Bound {
  hasNext: boolean;
}

export const bounded = <Row extends Bound>(rows: Row[]): Bounded<Row> => ({
  rows,
  isCut: rows.at(-1)?.hasNext ?? false,
});

/**
 * SQL: the first rows of a list until their large values have so many bytes, and one in any case. `list` is a select with its
 * order and limit, whose rows `large` and `order` call p; each row says `hasNext` besides. A value that is stored uncompressed
 * is not read for it; what is compressed says its size only when it is unpacked.
 */
export function upTo(
  bytes: number,
  { list, large, order }: { list: SQL; large: readonly SQL[]; order: SQL },
): SQL {
  const sizes = large.map(
    (value) => sql`coalesce(
      case when pg_column_compression(${value}) is null then pg_column_size(${value}) else octet_length(${value}::text) end, 0
    )`,
  );
  return sql`(
    select * from (
      select p.*,
        lead(true, 1, false) over (order by ${order}) as "hasNext",
        coalesce(
          sum(${sql.join(sizes, sql` + `)}) over (order by ${order} rows between unbounded preceding and 1 preceding), 0
        ) as "bytesBefore"
      from (${list}) p
    ) p
    where p."bytesBefore" < ${bytes}::bigint
  )`;
}
