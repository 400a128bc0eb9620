import type { Db } from "../../db/client.ts";
import { newestColdFile } from "../../db/queries/cold-files.ts";
import { within } from "../../lib/promises.ts";
import type { Archive } from "../cold/open-file.ts";
import { ok, type Verdict } from "./verdict.ts";

const ANSWER_MS_MAX = 3_000;

/** Whether the storage that holds cold files is set and answers for the newest of them. `archive` is null without ARCHIVE_URL. */
export async function checkColdFiles(db: Db, archive: Archive | null): Promise<Verdict> {
  const { count, newest } = await newestColdFile(db);
  if (newest === null) return ok("there are none");
  if (archive === null) {
    return {
      status: "warn",
      detail: `${count} cold files hold events, but ARCHIVE_URL is not set: requests that need them fail, and nothing more becomes cold.`,
      action:
        "Set ARCHIVE_URL to the folder or bucket that they were written to, and ARCHIVE_KEYS if it was set then (docs/DEPLOY.md).",
    };
  }
  const head = await within(ANSWER_MS_MAX, archive.storage.head(newest)).catch(() => "away" as const);
  if (head === "away") {
    return {
      status: "warn",
      detail: `The storage of ${count} cold files does not answer: requests that need them fail.`,
      action: "Check ARCHIVE_URL, its credentials (AWS_ACCESS_KEY_ID and the rest) and the storage itself.",
    };
  }
  if (head === null) {
    return {
      status: "warn",
      detail: `The storage answers, but lacks the newest of ${count} cold files.`,
      action:
        "Check that ARCHIVE_URL names the folder or bucket that they were written to; else bring the object back from a copy (docs/ALERTS.md, archive.damaged).",
    };
  }
  return ok(`${count}, and the newest is there`);
}
