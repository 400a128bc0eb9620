import os from "node:os";
import { connect } from "../db/client.ts";
import { createLogger } from "../lib/logger.ts";
import type { Context } from "../services/context.ts";
import { operatorContext } from "../services/operator.ts";
import { databaseUrl } from "./settings.ts";

/** Runs service calls in the name of who sits at the terminal. */
export async function withOperator(act: (ctx: Context) => Promise<void>): Promise<void> {
  const database = connect(databaseUrl("DATABASE_URL"));
  const user = `operator:${os.userInfo().username}`;
  try {
    await act(operatorContext(database.db, user, createLogger("silent")));
  } finally {
    await database.close();
  }
}
