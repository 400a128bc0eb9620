import fs from "node:fs";
import { connect } from "../db/client.ts";
import { createLogger } from "../lib/logger.ts";
import { createAuthenticator } from "../services/keys/authenticate.ts";
import { createKey } from "../services/keys/create.ts";
import { scopes } from "../services/keys/scopes.ts";
import { operatorContext } from "../services/operator.ts";
import { writeWhole } from "./dev-file.ts";

/** A key with every scope, made once and kept in a file (mode 0600); a new one when the kept one no longer works. */
export async function firstApiKey(databaseUrl: string, file: string): Promise<string> {
  const database = connect(databaseUrl);
  try {
    if (fs.existsSync(file)) {
      const kept = fs.readFileSync(file, "utf8").trim();
      const principal = await createAuthenticator()(database.db, `Bearer ${kept}`).catch(() => null);
      if (principal && scopes.every((scope) => principal.scopes.has(scope))) return kept;
    }
    const ctx = operatorContext(database.db, "local-developer", createLogger("silent"));
    const { secret } = await createKey(ctx, { name: "npm start", scopes: [...scopes] });
    writeWhole(file, `${secret}\n`);
    return secret;
  } finally {
    await database.close();
  }
}
