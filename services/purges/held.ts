import { coldFile } from "../../db/queries/cold-files.ts";
import { isAnyHeld, isWholeFileHeld, type Subject } from "../../db/queries/purges.ts";
import type { ColdContext } from "../cold/context.ts";
import { alertFileFault, resolveAway } from "../cold/faults.ts";
import { ColdFileError, openFile, type Archive, type FileRef } from "../cold/open-file.ts";

const SUBJECTS_PER_QUERY = 5_000;

/**
 * Whether a hold concerns an event in a cold file. Holds name workspaces, resources and users, which stand in the file; the
 * one predicate of all deletions is asked about each of them. Nothing is read without holds that could concern it, nor when one
 * names a workspace and nothing else. Throws `ColdFileError` for a file that cannot be read, and raises an alert.
 */
export async function heldBy(ctx: ColdContext, fileId: string, holds: string[]): Promise<boolean> {
  if (holds.length === 0) return false;
  if (await isWholeFileHeld(ctx.db, fileId)) return true;
  const ref = await coldFile(ctx.db, fileId);
  if (ref === null) return true;
  const isHeld = await isAnyEventHeld(ctx, ref).catch(async (error: unknown) => {
    if (error instanceof ColdFileError) await alertFileFault(ctx, error);
    throw error;
  });
  await resolveAway(ctx);
  return isHeld;
}

async function isAnyEventHeld(ctx: ColdContext, ref: FileRef): Promise<boolean> {
  const file = await openFile(ctx.archive as Archive, ref);
  for (const group of await file.groups(undefined)) {
    const [workspaces = [], types = [], ids = [], users = []] = await Promise.all([
      file.read("workspace_id", group),
      file.read("resource_type", group),
      file.read("resource_id", group),
      file.read("created_by_user_id", group),
    ]);
    const subjects = new Map<string, Subject>();
    for (const [i, workspace] of workspaces.entries()) {
      const subject = [workspace, types[i], ids[i], users[i]] as Subject;
      subjects.set(JSON.stringify(subject), subject);
    }
    const distinct = [...subjects.values()];
    for (let i = 0; i < distinct.length; i += SUBJECTS_PER_QUERY) {
      if (await isAnyHeld(ctx.db, distinct.slice(i, i + SUBJECTS_PER_QUERY))) return true;
    }
  }
  return false;
}
