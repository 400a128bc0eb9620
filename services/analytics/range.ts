import { z } from "zod";
import { findProject } from "../../db/queries/projects.ts";
import { resolveRange, type Moment, type TrailSpan } from "../../db/queries/trail-analytics.ts";
import { INVALID_PARAMETER_VALUE } from "../../lib/sqlstate.ts";
import { requireProject, requireScope, type Context } from "../context.ts";
import { invalidField, notFound } from "../errors.ts";
import { PLUS_WANTED, time } from "../inputs.ts";
import { hasSqlstate } from "../postgres-errors.ts";

const DAYS_DEFAULT = 30;
const DAYS_MAX = 1_100;
const ZONE_LENGTH_MAX = 64;
const QUARTER_MS = 15 * 60 * 1_000;
const MOMENT_LENGTH_MAX = 40;
const MOMENT_WANTED =
  "must be a day, as 2026-01-31, or a time on a quarter of an hour with its zone, as 2026-01-31T12:15:00Z";

const day = z.iso.date().refine((text) => /^(19|2\d)/.test(text));
const quarter = time.refine((at) => at.getTime() % QUARTER_MS === 0);
const moment = z
  .string()
  .max(MOMENT_LENGTH_MAX)
  .meta({ format: "date-or-quarter-hour" })
  .transform((text, ctx): Moment => {
    if (day.safeParse(text).success) return text;
    const { data, error } = quarter.safeParse(text);
    if (data !== undefined) return data;
    const lostPlus = error?.issues.find(({ message }) => message === PLUS_WANTED);
    ctx.addIssue({ code: "custom", message: lostPlus ? PLUS_WANTED : MOMENT_WANTED });
    return z.NEVER;
  });

// A short name can be one of Postgres' abbreviations, whose offset never changes: its CET knows no summer.
const ZONE = /^(UTC|GMT|[A-Za-z_]+\/[A-Za-z0-9_+/-]+)$/;

function isZone(name: string): boolean {
  if (!ZONE.test(name)) return false;
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const ZONE_WANTED = "must be a time zone by its IANA name, as Europe/Berlin, or UTC";

export const analyticsQuery = z.strictObject({
  from: moment
    .optional()
    .describe(`The first moment: a day stands for its beginning in tz. Without it, ${DAYS_DEFAULT} days.`),
  to: moment
    .optional()
    .describe(
      "The first moment that no longer counts: a day itself is not in it. Without it, the end of today.",
    ),
  tz: z
    .string()
    .max(ZONE_LENGTH_MAX)
    .refine(isZone, ZONE_WANTED)
    .meta({ format: "iana-time-zone" })
    .default("UTC")
    .describe("Where days begin: an IANA name."),
});
export type AnalyticsQuery = z.output<typeof analyticsQuery>;

/** What a request for a project's figures is about. Throws `not_found` for a project that is unknown or another tenant's. */
export async function analyticsSpan(
  ctx: Context,
  projectId: string,
  { from, to, tz: zone }: AnalyticsQuery,
): Promise<TrailSpan> {
  requireScope(ctx, "trails:read");
  requireProject(ctx, projectId);
  if (!(await findProject(ctx.db, projectId))) throw notFound("project");
  const range = await resolveRange(ctx.db, { from, to, zone, daysBack: DAYS_DEFAULT }).catch(
    (error: unknown) => {
      // Postgres has its own list of zones, which may be older.
      throw hasSqlstate(error, INVALID_PARAMETER_VALUE)
        ? invalidField("query.tz", "unknown_zone", ZONE_WANTED)
        : error;
    },
  );
  if (new Date(range.from) >= new Date(range.to)) {
    throw invalidField("query.to", "before_from", "must be after from");
  }
  if (range.days > DAYS_MAX) {
    throw invalidField("query.from", "too_far", `must be ${DAYS_MAX} days before to at most`);
  }
  return { projectId, zone, from: range.from, to: range.to };
}
