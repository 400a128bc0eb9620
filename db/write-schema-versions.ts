import fs from "node:fs";
import path from "node:path";
import { pieces } from "./pieces.ts";

const FILE = path.join(import.meta.dirname, "schema-versions.ts");

/** The module's text: the deployed function carries no SQL files, only what they must be. */
export function schemaVersionsModule(): string {
  const lines = pieces().map(({ name, checksum }) => `  "${name}": "${checksum}",`);
  return `/** SHA-256 of every piece of the schema; written by \`npm run schema\`, compared by /ready with the database's. */
export const schemaVersions: Record<string, string> = {
${lines.join("\n")}
};
`;
}

if (process.argv[1] === import.meta.filename) fs.writeFileSync(FILE, schemaVersionsModule());
