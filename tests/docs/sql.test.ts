import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";

const folder = path.resolve(import.meta.dirname, "../../docs");
const pages = fs.readdirSync(folder).filter((name) => name.endsWith(".md"));
const db = useDatabase();

/** What a reader may paste into psql: SQL blocks, what a shell block hands to psql, and statements within a line. */
function statementsOf(page: string): string[] {
  const text = fs.readFileSync(path.join(folder, page), "utf8");
  const shell = [...text.matchAll(/^ *```bash\n([^]*?)^ *```$/gm)].map(([, block = ""]) => block).join("\n");
  return [
    ...[...text.matchAll(/^ *```sql\n([^]*?)^ *```$/gm)].map(([, block = ""]) => block),
    ...[...shell.matchAll(/psql "\$\w+" -c "([^]*?)"\s*$/gm)].map(([, sql = ""]) => sql),
    ...[...text.matchAll(/`((?:select|insert|update|delete|alter|grant) [^`]+)`/gi)].map(
      ([, sql = ""]) => sql,
    ),
  ];
}

test("SQL in the documents names the schema, for a Postgres whose admin has no search_path of ours", async () => {
  const found = await db.rows<{ name: string }>(
    "admin",
    `select relname as name from pg_class where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p', 'v')
     union select proname from pg_proc where pronamespace = 'audit'::regnamespace`,
  );
  const names = found.map(({ name }) => name).join("|");
  const bare = new RegExp(
    `\\b(?:(?:from|join|into|update|on|table)\\s+(?:${names})\\b|(?<![.\\w])(?:${names})\\()`,
    "gi",
  );
  const faults = pages.flatMap((page) =>
    statementsOf(page).flatMap((sql) => (sql.match(bare) ?? []).map((fault) => `${page}: ${fault}`)),
  );
  expect(faults).toEqual([]);
});
