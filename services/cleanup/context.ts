import type { Config } from "../../lib/config.ts";
import { digestOf, type CleanupRule } from "../../lib/cleanup-rules.ts";
import type { WorkerContext } from "../context.ts";

/** What the steps of retention-cleanup get, besides: the rules. */
export type CleanupContext = WorkerContext & { config: Config };

/** Whoever nobody asked to delete. */
export const CLEANUP_USER = "afterimage:retention-cleanup";

/** One rule in one run. */
export interface RuleRef {
  runId: string;
  digest: string;
}

/** The rule as it is now: one that was changed or taken out since the run began is none. */
export const findRule = ({ config }: CleanupContext, digest: string): CleanupRule | undefined =>
  config.retention.find((rule) => digestOf(rule) === digest);
