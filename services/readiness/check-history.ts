import type { Db } from "../../db/client.ts";
import { captureProblems, failingTables, switchedOffTables } from "../../db/queries/capture.ts";
import { advice, tablesToVerify, verifySample } from "../history/verify.ts";
import { ERRORS_PAST_S, named } from "../history/watch-capture.ts";
import { count, NAMED_BY_DOCTOR, ok, type Verdict } from "./verdict.ts";

/** Whose records are looked at: enough to see that something is wrong, few enough to be asked every two seconds. */
const SAMPLE_ENTRIES = 200;
const SECONDS_PER_MINUTE = 60;

/** Whether changes of tracked tables are recorded, now and in the last hour. */
export async function checkCapture(db: Db): Promise<Verdict> {
  const problems = await captureProblems(db);
  const missing = problems.filter((one) => one.problem === "triggers");
  if (missing.length > 0) {
    return {
      status: "fail",
      detail: `Changes go unrecorded, because triggers are off or missing: ${count(missing.length, "table")}.`,
      action: `Someone switched them off; find out who. ${NAMED_BY_DOCTOR}`,
      forOperator: {
        detail: `Changes go unrecorded, because triggers are off or missing: ${named(missing.map(relationOf))}.`,
        action: `Someone switched them off; find out who. ${missing[0]?.action}`,
      },
    };
  }
  const off = await switchedOffTables(db);
  if (off.length > 0) {
    return {
      status: "warn",
      detail: `Capture is switched off since ${off[0]?.since}; changes go unrecorded: ${count(off.length, "table")}.`,
      action: "When the reason is past: npx afterimage capture on",
      forOperator: {
        detail: `Capture is switched off since ${off[0]?.since}; changes go unrecorded: ${named(off)}.`,
      },
    };
  }
  const failing = await failingTables(db, ERRORS_PAST_S);
  if (failing.length > 0) {
    const unrecorded = `Within ${ERRORS_PAST_S / SECONDS_PER_MINUTE} minutes changes could not be recorded`;
    return {
      status: "warn",
      detail: `${unrecorded}: ${count(failing.length, "table")}.`,
      action: "Postgres' log has why. Mend it, then: npx afterimage track <table>",
      forOperator: { detail: `${unrecorded}: ${named(failing)}.` },
    };
  }
  if (problems.length === 0) return ok("every tracked table is recorded, or none is tracked");
  return {
    status: "warn",
    detail: `${count(problems.length, "problem")} with tracked tables: ${[...new Set(problems.map((one) => one.problem))].join(", ")}.`,
    action: NAMED_BY_DOCTOR,
    forOperator: {
      detail: problems.map((one) => `${one.relation}: ${one.problem}`).join(", "),
      action: problems[0]?.action as string,
    },
  };
}

const relationOf = ({ relation }: { relation: string }) => ({ table: relation });

/** Whether the records of the newest entries can be rebuilt at every point; as the workflows' role, which sees the rows. */
export async function checkHistory(worker: Db): Promise<Verdict> {
  const tables = await tablesToVerify(worker, []);
  const { records, breaks, unreadable } = await verifySample(worker, tables, SAMPLE_ENTRIES);
  const open = breaks.filter((one) => one.explainedBy === null);
  const worst = open.find((one) => one.kind !== "order") ?? open[0];
  if (worst) {
    const broken = `The history of ${open.length} of ${records} records breaks`;
    return {
      status: worst.kind === "order" ? "warn" : "fail",
      detail: `${broken} (${worst.kind}).`,
      action: `${advice(worst)} All of them: npx afterimage history verify`,
      forOperator: {
        detail: `${broken}, as of ${worst.table} before entry ${worst.entryId} (${worst.kind}).`,
      },
    };
  }
  if (unreadable.length > 0) {
    return {
      status: "warn",
      detail: `The workflows' role cannot read ${count(unreadable.length, "tracked table")}.`,
      action:
        "As the owner of each: npx afterimage track <table>; and set WORKER_DATABASE_URL to audit_worker.",
      forOperator: { detail: `The workflows' role cannot read: ${unreadable.join(", ")}.` },
    };
  }
  return ok(`${records} records of the newest entries can be rebuilt at every point`);
}
