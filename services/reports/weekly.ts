import { z } from "zod";
import {
  findReport,
  insertReport,
  reportedWeeks,
  weekFigures,
  type WeeklyReportRow,
} from "../../db/queries/reports.ts";
import { lastWeek, parseWeek, pastWeeks, type IsoWeek } from "../../lib/iso-week.ts";
import { requireOperator, type Context, type WorkerContext } from "../context.ts";
import { ServiceError } from "../errors.ts";

const ACTIONS_MAX = 50;
const USERS_MAX = 10;
const SECURITY_EVENTS_MAX = 100;
const PARTITIONS_MAX = 500;
/** How far back missed weeks are made up for. */
const WEEKS_BACK_MAX = 4;

const count = z.int();
const actionCount = z.object({ actionType: z.string(), count });

/** What happened in a week, as it was counted on the Monday after. */
export const weeklyReport = z
  .object({
    week: z.string().describe("An ISO week, Monday to Sunday (UTC): 2026-W47."),
    startsAt: z.string(),
    endsAt: z.string().describe("Before this time."),
    createdAt: z.string().describe("When it was counted; it does not change after."),
    events: count,
    byAction: z.array(actionCount).describe(`The ${ACTIONS_MAX} most frequent actions.`),
    otherActions: count.describe("How many events all other actions have."),
    byUser: z
      .array(z.object({ userId: z.string(), count }))
      .describe(`The ${USERS_MAX} users with the most events.`),
    security: z.object({
      events: count,
      byAction: z.array(actionCount),
      latest: z
        .array(
          z.object({
            id: z.string(),
            createdAt: z.string(),
            workspaceId: z.string(),
            userId: z.string(),
            actionType: z.string(),
            resourceType: z.string(),
            resourceId: z.string(),
          }),
        )
        .describe(`The newest ${SECURITY_EVENTS_MAX}.`),
    }),
    byDay: z.array(z.object({ day: z.string(), events: count, historyEntries: count })),
    partitions: z
      .array(z.object({ table: z.string(), partition: z.string(), bytes: count }))
      .describe("Each month with its indexes, when it was counted."),
  })
  .meta({ id: "WeeklyReport" });
export type WeeklyReport = z.infer<typeof weeklyReport>;

/**
 * The weeks to report on now, oldest first: the last one, and of those before it, 4 in all, the ones that were missed since the
 * first report.
 */
export async function planReports(ctx: WorkerContext, now: Date): Promise<{ weeks: string[] }> {
  const past = pastWeeks(now, WEEKS_BACK_MAX);
  const { first, weeks } = await reportedWeeks(ctx.db, (past[0] as IsoWeek).startsAt);
  const last = lastWeek(now).name;
  const isMissed = ({ name, startsAt }: IsoWeek) => first !== null && startsAt > first && !weeks.has(name);
  return { weeks: past.filter((week) => week.name === last || isMissed(week)).map(({ name }) => name) };
}

/** Counts a week that is over and stores the report, once; repeating it changes nothing. */
export async function compileWeek(ctx: WorkerContext, week: IsoWeek): Promise<{ week: string }> {
  const { name, startsAt, endsAt } = week;
  if ((await findReport(ctx.db, name)) === null) {
    const figures = await weekFigures(ctx.db, startsAt, endsAt, {
      actions: ACTIONS_MAX,
      users: USERS_MAX,
      security: SECURITY_EVENTS_MAX,
      partitions: PARTITIONS_MAX,
    });
    await insertReport(ctx.db, { week: name, startsAt, endsAt, figures });
  }
  return { week: name };
}

/** A stored report. It is about every workspace, so a key that is limited to some does not see it (403). */
export async function getWeeklyReport(ctx: Context, name: string): Promise<WeeklyReport> {
  requireOperator(ctx, "reports:read");
  const week = parseWeek(name);
  const row = week && (await findReport(ctx.db, week.name));
  if (row) return toReport(row);
  const message =
    week === null
      ? "There is no such week; ISO weeks are W01 to W52, in some years W53."
      : week.endsAt.getTime() > Date.now()
        ? "This week is not over; its report comes on the Monday after."
        : `There is no report of this week: it is counted on the Monday after. For the last week, and what was missed of the ${WEEKS_BACK_MAX} last ones: POST /api/jobs/weekly-report/run.`;
  throw new ServiceError("not_found", message, {
    errors: [{ path: "path.week", code: "not_found", message }],
  });
}

/** The report as it is shown and mailed. */
export function toReport({ week, startsAt, endsAt, createdAt, figures }: WeeklyReportRow): WeeklyReport {
  return {
    week,
    startsAt: startsAt.toISOString(),
    endsAt: endsAt.toISOString(),
    createdAt: createdAt.toISOString(),
    ...(figures as Omit<WeeklyReport, "week" | "startsAt" | "endsAt" | "createdAt">),
  };
}
