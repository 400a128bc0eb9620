import type { Db } from "../db/client.ts";
import { isBranch } from "../db/queries/home.ts";

/**
 * Whether no schedule may run and no alarm may go out here: the deployment says so (a preview, or AFTERIMAGE_QUIET), or
 * the database is a branch or a restored copy of the one that is at home elsewhere.
 */
export async function isQuiet(ctx: { db: Db; quiet: boolean }): Promise<boolean> {
  return ctx.quiet || (await isBranch(ctx.db));
}
