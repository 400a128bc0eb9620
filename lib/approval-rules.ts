import type { Config } from "./config.ts";

interface RestoreInOutline {
  target: "record" | "transaction" | "actor" | "tables";
  /** `schema.name` of every table that it changes. */
  tables: readonly string[];
  rowCount: number;
}

type Rule = NonNullable<Config["restores"]["approval"]>[number];

const TARGETS: Record<RestoreInOutline["target"], string> = {
  record: "it restores a record",
  transaction: "it undoes a transaction",
  actor: "it undoes what an actor did",
  tables: "it restores whole tables",
};

/**
 * Why a restore needs another person's approval, in words; null when no rule of the configuration asks for one. A rule
 * asks when everything that it says holds; one that says nothing, always.
 */
export function approvalNeeded(config: Config, restore: RestoreInOutline): string | null {
  const reasons = (config.restores.approval ?? []).map((rule) => reasonOf(rule, restore));
  return reasons.find((reason) => reason !== null) ?? null;
}

function reasonOf({ tables, rowsOver, targets }: Rule, restore: RestoreInOutline): string | null {
  const reasons: string[] = [];
  if (targets) {
    if (!targets.includes(restore.target)) return null;
    reasons.push(TARGETS[restore.target]);
  }
  if (tables) {
    const touched = tables.filter((table) => restore.tables.includes(table));
    if (touched.length === 0) return null;
    reasons.push(`it changes ${touched.join(", ")}`);
  }
  if (rowsOver !== undefined) {
    if (restore.rowCount <= rowsOver) return null;
    reasons.push(`it changes ${restore.rowCount} rows, more than ${rowsOver}`);
  }
  return `Needs approval because ${reasons.length > 0 ? reasons.join(" and ") : "every restore does"}.`;
}
