import { z } from "zod";
import { cleanupRules } from "./cleanup-rules.ts";
import { columnName, settings, tableName } from "./config-parts.ts";
import { columnsOf, hasWildcard, parseTemplate } from "./template.ts";

const CACHE_MAX = 20;
const JOBS_MAX = 10;
const DATA_FIELDS_MAX = 50;
const WILDCARDS_MAX = 5;
const HEADERS_MAX = 10;
const RULES_MAX = 50;
const APPROVAL_HOURS = 72;
const APPROVAL_HOURS_MAX = 30 * 24;

const checked = (check: (text: string) => void, error: string) =>
  z.string({ error }).superRefine((text, ctx) => {
    try {
      check(text);
    } catch (fault) {
      ctx.addIssue({ code: "custom", message: (fault as Error).message });
    }
  });

const templateOr = (error: string) => checked((text) => void parseTemplate(text), error);
const template = templateOr("is text, with columns in braces");

/** A key, or with `*` a pattern of keys. Without text in front, a column could make it match every key there is. */
const cacheFormat = checked((text) => {
  const parts = parseTemplate(text, { wildcards: true });
  if (!hasWildcard(parts)) return;
  const [first] = parts;
  if (!first || !("text" in first))
    throw new Error("begins with a column or a *, so it could match every key; begin it with text: search:*");
  if (parts.filter((part) => "any" in part).length > WILDCARDS_MAX)
    throw new Error(`has more than ${WILDCARDS_MAX} *`);
}, "is a key, with columns in braces and * for anything");

const variable = z
  .string({ error: "is the name of a variable of the environment" })
  .regex(/^[A-Z][A-Z0-9_]{0,99}$/, {
    error: "is the name of a variable of the environment (STRIPE_SYNC_SECRET), not its value",
  });

const flag = z.boolean({ error: "is true or false" });
const VALUE = "is text, a number, true or false";
const data = z.record(
  z.string().min(1).max(100),
  z.union([templateOr(VALUE), z.number(), z.boolean()], { error: VALUE }),
  { error: 'is an object: { venueId: "{venue_id}" }' },
);
const dataOfJob = data.refine((fields) => Object.keys(fields).length <= DATA_FIELDS_MAX, {
  error: `has more than ${DATA_FIELDS_MAX} fields`,
});

const eventJob = settings({
  event: z
    .string({ error: "is the name of an event" })
    .min(1, { error: "is the name of an event" })
    .max(200)
    .refine((name) => !/^(audit|inngest)\//.test(name), {
      error: "belongs to the service itself; name an event of your application's",
    }),
  data: dataOfJob,
  /** Rows for which it comes out the same share one job. */
  key: template.optional(),
});

const target = (text: string) => {
  if (!/^https?:\/\/[^/?#{}@]+([/?#]|$)/.test(text) || !URL.canParse(text.replaceAll(/[{}]/g, "")))
    throw new Error("is a URL of https (http with allowPrivate) without a user name, its host written out");
};

const OPEN_HTTP = { path: ["url"], error: "is http; write https, or allowPrivate: true" };
const isClosed = ({ url, allowPrivate }: { url: string; allowPrivate?: boolean | undefined }) =>
  allowPrivate === true || !url.startsWith("http:");

const webhookJob = settings({
  url: checked(target, "is the URL that takes the job").refine((text) => columnsIn(text).length === 0, {
    error: "takes no columns; put them into data",
  }),
  /** The variable that holds the secret which signs it: `whsec_…`. */
  secretEnv: variable,
  data: dataOfJob,
  key: template.optional(),
  allowPrivate: flag.optional(),
}).refine(isClosed, OPEN_HTTP);

const check = settings({
  url: checked((text) => {
    parseTemplate(text);
    target(text);
  }, "is the URL to ask"),
  headers: z
    .record(
      z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: "is the name of a header" }),
      settings({ env: variable }),
    )
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, {
      error: `are more than ${HEADERS_MAX}`,
    })
    .optional(),
  allowPrivate: flag.optional(),
}).refine(isClosed, OPEN_HTTP);

const table = settings({
  cache: z
    .array(cacheFormat, { error: "is a list of keys" })
    .max(CACHE_MAX, { error: `has more than ${CACHE_MAX} formats` })
    .optional(),
  jobs: z
    .array(z.union([eventJob, webhookJob]), { error: "is a list of jobs" })
    .max(JOBS_MAX, { error: `has more than ${JOBS_MAX} jobs` })
    .refine((jobs) => new Set(jobs.map(identityOf)).size === jobs.length, {
      error:
        "has two jobs of the same event or URL and key, which would be taken for one; give them different keys",
    })
    .optional(),
  check: check.optional(),
  touch: z.array(columnName, { error: "is a list of columns" }).optional(),
});

const rule = settings({
  tables: z.array(tableName, { error: "is a list of tables" }).min(1, { error: "names no table" }).optional(),
  rowsOver: z
    .int({ error: "is a whole number of rows" })
    .min(0, { error: "is a whole number of rows" })
    .optional(),
  targets: z
    .array(
      z.enum(["record", "transaction", "actor", "tables"], {
        error: "is record, transaction, actor or tables",
      }),
      {
        error: "is a list of targets",
      },
    )
    .min(1, { error: "names no target" })
    .optional(),
});

const hours = `is 1 to ${APPROVAL_HOURS_MAX} hours`;

/** Everything that `afterimage.config.ts` may say; docs/RESTORES.md explains each field, docs/CLEANUP.md `retention`. */
export const configSchema = settings({
  tables: z.record(tableName, table, {
    error: (issue) =>
      issue.code === "invalid_key" ? "is schema.name: public.venues" : "is an object, by schema.name",
  }),
  restores: settings({
    approval: z.array(rule, { error: "is a list of rules" }).max(RULES_MAX).optional(),
    approvalHours: z
      .int({ error: hours })
      .min(1, { error: hours })
      .max(APPROVAL_HOURS_MAX, { error: hours })
      .default(APPROVAL_HOURS),
  }).prefault({}),
  retention: cleanupRules.default([]),
});

/** None where it cannot be read, which is told elsewhere. */
function columnsIn(text: string): string[] {
  try {
    return columnsOf(parseTemplate(text));
  } catch {
    return [];
  }
}

function identityOf(job: z.infer<typeof eventJob> | z.infer<typeof webhookJob>): string {
  return JSON.stringify(["event" in job ? job.event : job.url, job.key]);
}
