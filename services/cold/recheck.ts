import { pastSubjects } from "../../db/queries/alerts.ts";
import { findColdFile, newestColdFile } from "../../db/queries/cold-files.ts";
import { StorageError } from "../../lib/storage/storage.ts";
import { resolveAlert } from "../alerts/raise.ts";
import type { ColdContext } from "./context.ts";
import { resolveAway } from "./faults.ts";
import { ColdFileError } from "./open-file.ts";
import { digestFile } from "./verify-file.ts";

/** Of one run: each is read whole. */
const FILES_MAX = 3;

/** Reads the files again that are alerted as damaged, and closes the alerts of those that are sound, or purged by now. */
export async function recheckDamaged(ctx: ColdContext): Promise<{ sound: number }> {
  const { archive } = ctx;
  if (archive === null) return { sound: 0 };
  let sound = 0;
  for (const key of await pastSubjects(ctx.db, "archive.damaged", { known: [] }, FILES_MAX)) {
    const file = await findColdFile(ctx.db, key);
    if (file !== null && !file.isPurged) {
      const now = await digestFile(archive, file).catch((error: unknown) => {
        if (error instanceof ColdFileError) return null;
        throw error;
      });
      if (now?.rowsDigest !== file.rowsDigest) continue;
    }
    await resolveAlert(ctx, "archive.damaged", key);
    sound++;
  }
  return { sound };
}

/** Looks for a known object where the storage is alerted as away, and closes the alert when it is there. */
export async function recheckAway(ctx: ColdContext): Promise<{ isBack: boolean }> {
  const open = await pastSubjects(ctx.db, "archive.away", { known: [] }, 1);
  const { newest } = await newestColdFile(ctx.db);
  if (ctx.archive === null || open.length === 0 || newest === null) return { isBack: false };
  const found = await ctx.archive.storage.head(newest).catch((error: unknown) => {
    if (error instanceof StorageError) return null;
    throw error;
  });
  if (found === null) return { isBack: false };
  await resolveAway(ctx);
  return { isBack: true };
}
