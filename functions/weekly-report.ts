import { parseWeek, type IsoWeek } from "../lib/iso-week.ts";
import { mailWeek } from "../services/reports/mail.ts";
import { compileWeek, planReports } from "../services/reports/weekly.ts";
import { alertingContext, type Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

/**
 * Mondays at 04:00 UTC, or by hand on any day: the report of the last week that is over, and of those that were missed lately.
 * Each is counted once and stored; a retried step, or another run in the same week, counts and mails nothing again.
 */
export const weeklyReport = (runtime: Runtime) =>
  scheduledJob(runtime, "weekly-report", async (step, ctx) => {
    const { weeks } = await step.run("plan", () => planReports(ctx, new Date()));
    let mails = 0;
    for (const [i, week] of weeks.entries()) {
      await step.run(`compile-${i + 1}`, () => compileWeek(ctx, parseWeek(week) as IsoWeek));
      const { mailed } = await step.run(`mail-${i + 1}`, () => mailWeek(alertingContext(runtime), week));
      mails += Number(mailed);
    }
    return { weeks, mails };
  });
