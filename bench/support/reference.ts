import pg from "pg";
import type { BenchEvent } from "./rows.ts";

const COLUMNS: Record<string, { type: string; of: (event: BenchEvent) => unknown }> = {
  action_type: { type: "text", of: (e) => e.actionType },
  resource_type: { type: "text", of: (e) => e.resourceType },
  resource_id: { type: "text", of: (e) => e.resourceId },
  workspace_id: { type: "text", of: (e) => e.workspaceId },
  created_by_user_id: { type: "text", of: (e) => e.createdByUserId },
  event_id: { type: "text", of: (e) => e.eventId ?? null },
  old_values: { type: "jsonb", of: (e) => JSON.stringify(e.oldValues) },
  new_values: { type: "jsonb", of: (e) => JSON.stringify(e.newValues) },
  ip_address: { type: "inet", of: (e) => e.ipAddress },
  user_agent: { type: "text", of: (e) => e.userAgent },
  request_id: { type: "text", of: (e) => e.requestId },
  tags: { type: "text[]", of: (e) => arrayLiteral(e.tags) },
  metadata: { type: "jsonb", of: (e) => JSON.stringify(e.metadata) },
};
const names = Object.keys(COLUMNS).join(", ");
const types = Object.values(COLUMNS).map(({ type }) => type);

// Arrays of arrays must be even in SQL, so lists of tags travel as text and are cast row by row.
const UNNEST = `
  insert into audit.audit_events (${names})
  select ${Object.entries(COLUMNS)
    .map(([name, { type }]) => (type.endsWith("[]") ? `r.${name}::${type}` : `r.${name}`))
    .join(", ")}
  from unnest(${types.map((type, i) => `$${i + 1}::${type.endsWith("[]") ? "text" : type}[]`).join(", ")}) r (${names})`;
const SINGLE = `
  insert into audit.audit_events (${names})
  values (${types.map((type, i) => `$${i + 1}::${type}`).join(", ")})`;

/** A statement whose parameters are text already, so that the client's own work is not in what is timed. */
export interface ReadyInsert {
  name: string;
  text: string;
  values: (string | null)[];
  rows: number;
}

/** One multi-row INSERT of all events: prepared, one commit. */
export function batchInsert(events: readonly BenchEvent[]): ReadyInsert {
  const values = Object.values(COLUMNS).map(({ of }) =>
    arrayLiteral(events.map((event) => of(event) as string | null)),
  );
  return { name: "batch", text: UNNEST, values, rows: events.length };
}

/** One single-row INSERT: prepared, one commit. */
export function singleInsert(event: BenchEvent): ReadyInsert {
  return {
    name: "single",
    text: SINGLE,
    values: Object.values(COLUMNS).map(({ of }) => of(event) as string | null),
    rows: 1,
  };
}

const arrayLiteral = (values: readonly (string | null)[]): string =>
  `{${values.map((one) => (one === null ? "NULL" : `"${one.replaceAll(/["\\]/g, String.raw`\$&`)}"`)).join(",")}}`;

export interface Reference {
  /** Sends all statements, each connection one after the other; throws unless every row was inserted. */
  run(statements: readonly ReadyInsert[]): Promise<void>;
  close(): Promise<void>;
}

/** `connections` plain clients of `pg` as the API's own role. */
export async function openReference(url: string, connections: number): Promise<Reference> {
  const clients = Array.from({ length: connections }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  return {
    run: async (statements) => {
      let next = 0;
      const work = async (client: pg.Client) => {
        for (let one = statements[next++]; one !== undefined; one = statements[next++]) {
          const { rowCount } = await client.query(one);
          if (rowCount !== one.rows)
            throw new Error(`the reference inserted ${rowCount} of ${one.rows} rows`);
        }
      };
      await Promise.all(clients.map(work));
    },
    close: async () => void (await Promise.all(clients.map((client) => client.end()))),
  };
}
