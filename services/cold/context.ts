import type { WorkerContext } from "../context.ts";
import type { Archive } from "./open-file.ts";

/** What moves events into cold files gets, besides: where those are; null without ARCHIVE_URL. */
export interface ColdContext extends WorkerContext {
  archive: Archive | null;
}
