import { lastWeek } from "../lib/iso-week.ts";
import { mailWeek } from "../services/reports/mail.ts";
import { compileWeek } from "../services/reports/weekly.ts";
import { alertingContext, type Runtime } from "../services/runtime.ts";
import { scheduledJob } from "./_scheduled.ts";

/**
 * Mondays at 04:00 UTC, or by hand on any day: the report of the last week that is over. It is counted once and stored; a
 * retried step, or another run in the same week, counts and mails nothing again.
 */
export const weeklyReport = (runtime: Runtime) =>
  scheduledJob(runtime, "weekly-report", async (step, ctx) => {
    const { week } = await step.run("compile", () => compileWeek(ctx, lastWeek(new Date())));
    const { mailed } = await step.run("mail", () => mailWeek(alertingContext(runtime), week));
    return { week, mailed };
  });
