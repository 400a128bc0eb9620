import type { Db } from "../db/client.ts";
import type { Logger } from "../lib/logger.ts";
import type { Context } from "./context.ts";
import { scopes } from "./keys/scopes.ts";

/** The key id that stands in events for work done at a terminal, without an API key. */
const OPERATOR_KEY_ID = "00000000-0000-0000-0000-000000000000";

/** Who works at a terminal: whoever holds DATABASE_URL may do everything, under a name that the log keeps. */
export function operatorContext(db: Db, userId: string, log: Logger): Context {
  return {
    db,
    principal: {
      keyId: OPERATOR_KEY_ID,
      userId,
      scopes: new Set(scopes),
      workspaces: null,
      projects: null,
      expiresAt: null,
    },
    requestId: crypto.randomUUID(),
    log,
    quiet: false,
    afterCommit: () => undefined,
    send: async () => undefined,
    counts: { events: () => undefined, trails: () => undefined },
  };
}
