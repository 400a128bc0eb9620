import type { Db } from "../db/client.ts";
import { isBranch } from "../db/queries/home.ts";
import { ServiceError } from "./errors.ts";

/**
 * Whether no schedule may run and no alarm may go out here: the deployment says so (a preview, or AFTERIMAGE_QUIET), or
 * the database is a branch or a restored copy of the one that is at home elsewhere.
 */
export async function isQuiet(ctx: { db: Db; quiet: boolean }): Promise<boolean> {
  return ctx.quiet || (await isBranch(ctx.db));
}

/** Throws `conflict` (409) where cold files may be another's, too, and so none may be removed. */
export async function requireOwnFiles(ctx: { db: Db; quiet: boolean }): Promise<void> {
  if (!(await isQuiet(ctx))) return;
  throw new ServiceError(
    "conflict",
    "This deployment is quiet, or its database is a branch or a copy, so the cold files may be another's and nothing is purged. Do it where the schedules run.",
  );
}
