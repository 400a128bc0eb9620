import type { Db } from "../../db/client.ts";
import { trackedColumns } from "../../db/queries/tracking.ts";
import { checkConfig, tablesOf, variablesOf } from "../../lib/config-check.ts";
import type { Config } from "../../lib/config.ts";
import { envSecret } from "../../lib/env.ts";
import { cleanupProblems } from "../cleanup/preview.ts";
import { NAMED_BY_DOCTOR, ok, type Verdict } from "./verdict.ts";

const PROBLEMS_SHOWN_MAX = 10;

/** Whether what the configuration names is there: tables and columns, rules that fit, and variables of the deployment. */
export async function checkConfiguration(
  db: Db,
  worker: Db,
  config: Config,
  { isDeployed }: { isDeployed: boolean },
): Promise<Verdict> {
  const tables = tablesOf(config);
  const columns = await trackedColumns(db, tables);
  const problems = checkConfig(config, (table) => columns.get(table) ?? null);
  const rules = await cleanupProblems(worker, config);
  // A terminal has an environment of its own.
  const unset = isDeployed ? variablesOf(config).filter((name) => envSecret(name) === undefined) : [];
  const counted = [
    ...(problems.length > 0 ? [`names that fit no tracked table or column: ${problems.length}`] : []),
    ...(rules.length > 0 ? [`rules of the retention that do not fit the database: ${rules.length}`] : []),
    ...(unset.length > 0 ? [`variables that are not set: ${unset.length}`] : []),
  ];
  if (counted.length === 0) return ok("every table and column that it names is tracked");
  const named = [problems, rules, unset.map((name) => `${name} is not set`)].flatMap((one) =>
    one.slice(0, PROBLEMS_SHOWN_MAX),
  );
  const actions = [
    ...(problems.length + rules.length > 0 ? [NAMED_BY_DOCTOR] : []),
    ...(unset.length > 0 ? ["Set in the deployment every variable that afterimage.config.ts names."] : []),
  ];
  return {
    status: "warn",
    detail: `${counted.join("; ")}.`,
    action: actions.join(" "),
    forOperator: {
      detail: `${named.join("; ")}.`,
      action:
        "Mend afterimage.config.ts (docs/RESTORES.md, docs/CLEANUP.md), or: npx afterimage track <schema.name>",
    },
  };
}
