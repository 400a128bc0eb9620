/** Rows of one statement, as a superuser. */
export type Query = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** How a database stands: the next transaction id, and a digest of every table's rows. */
export interface Fingerprint {
  nextTransaction: string;
  tables: Record<string, string>;
}

/**
 * Tells exactly whether anything was written. While the server hands out no transaction id, nothing was, and no table is
 * read; else each table's rows count by place and writing transaction, and keys by their text without `last_used_at`,
 * which authentication notes.
 */
export async function createWitness(query: Query) {
  const tables = await query(
    `select relname as name from pg_class
     where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1`,
  );
  const digest = (name: string) =>
    name === "api_keys"
      ? "hashtextextended((to_jsonb(t) - 'last_used_at')::text, 0)"
      : "hashtextextended(t.tableoid::text || t.ctid::text || t.xmin::text, 0)";
  const union = tables
    .map(
      ({ name }) =>
        `select '${name}' as name, count(*) || ':' || coalesce(sum(${digest(String(name))}), 0) as digest from audit.${name} t`,
    )
    .join(" union all ");
  const nextTransaction = async () =>
    String((await query("select pg_snapshot_xmax(pg_current_snapshot())::text as next"))[0]?.next);
  let last: Fingerprint | undefined;

  const take = async (): Promise<Fingerprint> => {
    const next = await nextTransaction();
    if (last?.nextTransaction === next) return last;
    const rows = await query(union);
    last = {
      nextTransaction: next,
      tables: Object.fromEntries(rows.map(({ name, digest }) => [String(name), String(digest)])),
    };
    return last;
  };
  return {
    take,
    /** The tables that changed since. */
    changedSince: async (before: Fingerprint): Promise<string[]> => {
      const now = await take();
      return Object.keys(now.tables).filter((name) => now.tables[name] !== before.tables[name]);
    },
  };
}

export type Witness = Awaited<ReturnType<typeof createWitness>>;
