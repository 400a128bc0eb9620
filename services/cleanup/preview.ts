import {
  cleanupFaults,
  cleanupTable,
  countDue,
  databaseTime,
  type CleanupTable,
} from "../../db/queries/cleanup.ts";
import type { Db } from "../../db/client.ts";
import { inWords, toSql, type CleanupRule } from "../../lib/cleanup-rules.ts";
import type { Config } from "../../lib/config.ts";
import { COUNT_MAX } from "./begin-rule.ts";

export interface RulePreview extends CleanupTable {
  rule: string;
  table: string;
  /** Why it cannot be carried out; nothing else is known then. */
  faults: string[];
  /** Rows that are due, 1,000,001 at most. */
  dueCount: number;
  /** The oldest time among them, ISO 8601. */
  oldest: string | null;
  /** What a run that began now would look at. */
  wouldDelete: number;
}

/** What each rule would delete now, as the worker, which deletes nothing here. */
export async function previewCleanup(worker: Db, { retention }: Config): Promise<RulePreview[]> {
  const asOf = await databaseTime(worker);
  const previews: RulePreview[] = [];
  for (const rule of retention) previews.push(await previewRule(worker, rule, asOf));
  return previews;
}

async function previewRule(worker: Db, rule: CleanupRule, asOf: Date): Promise<RulePreview> {
  const head = { rule: inWords(rule), table: rule.table };
  const faults = await cleanupFaults(worker, toSql(rule));
  if (faults.length > 0) {
    return { ...head, faults, dueCount: 0, oldest: null, wouldDelete: 0, isTracked: false, children: [] };
  }
  const { count, oldest } = await countDue(worker, toSql(rule), asOf, COUNT_MAX);
  const wouldDelete = Math.min(count, rule.rowsPerRun);
  const table = await cleanupTable(worker, rule.table);
  return { ...head, faults, dueCount: count, oldest, wouldDelete, ...table };
}

/** What in the rules does not fit the database, in words that begin with the table. */
export async function cleanupProblems(worker: Db, { retention }: Config): Promise<string[]> {
  const problems: string[] = [];
  for (const rule of retention) {
    const faults = await cleanupFaults(worker, toSql(rule));
    problems.push(...faults.map((fault) => `${rule.table} ${fault}`));
  }
  return problems;
}
