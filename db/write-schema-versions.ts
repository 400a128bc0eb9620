import fs from "node:fs";
import path from "node:path";
import { pieces } from "./pieces.ts";

const FILE = path.join(import.meta.dirname, "schema-versions.ts");

// The deployed function carries no SQL files, only what they must be.
const lines = pieces().map(({ name, checksum }) => `  "${name}": "${checksum}",`);
fs.writeFileSync(
  FILE,
  `/** SHA-256 of every piece of the schema; written by \`npm run schema\`, compared by /ready with the database's. */
export const schemaVersions: Record<string, string> = {
${lines.join("\n")}
};
`,
);
