import { z } from "zod";
import { faultInWords } from "./input-faults.ts";
import { parseMailbox, parseRecipients } from "./mail-address.ts";
import { parseSmtpUrl } from "./smtp-url.ts";
import { parseArchiveKeys } from "./storage/archive-keys.ts";
import { parseStorageUrl } from "./storage/open.ts";
import { parseWebhookSecrets } from "./webhook-signature.ts";
import { webhookTarget } from "./webhook-target.ts";

const url = z.string().min(1);
const optionalUrl = url.optional();
const httpUrl = z.url({ protocol: /^https?$/, error: "is a URL of http or https" });

/** Text that a reader of ours takes; what it says of a wrong one quotes nothing. */
const readBy = <T>(read: (text: string) => T) =>
  z.string().transform((text, ctx): T => {
    try {
      return read(text);
    } catch (error) {
      ctx.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  });
/** The same, where the text itself is what is used. */
const checkedBy = (read: (text: string) => unknown) => readBy((text) => (read(text), text));

const allOrNone = (...values: unknown[]) => new Set(values.map((value) => value === undefined)).size === 1;

/** Every variable that the deployed service reads; more of Inngest's own (INNGEST_*) and OpenTelemetry's (OTEL_*) are read by their SDKs. */
export const envSchema = z
  .object({
    /** Postgres as audit_app; with a pooler, the pooled URL. */
    DATABASE_URL: url,
    /** Postgres as audit_worker; without it the workflows use DATABASE_URL. */
    WORKER_DATABASE_URL: optionalUrl,
    /** Postgres as the admin that owns the database, not pooled: for operators' commands (`afterimage --help`), not for the service. */
    MIGRATE_DATABASE_URL: optionalUrl,
    /** host:port of a stand-in for Neon's proxy; a database URL with that host and port is served by Neon's driver. */
    NEON_LOCAL_PROXY: z
      .string()
      .regex(/^[\w.-]+:\d{1,5}$/, "is host:port")
      .optional(),
    UPSTASH_REDIS_REST_URL: optionalUrl,
    UPSTASH_REDIS_REST_TOKEN: z.string().min(1).optional(),
    /** Connections per process and role. */
    DATABASE_POOL_SIZE: z.coerce.number().int().min(1).max(100).default(10),
    /** Vercel's own: a preview deployment runs no schedules and raises no alarms. */
    VERCEL_ENV: z.string().optional(),
    /** The SDK's own: a development engine, whose calls nobody signs. */
    INNGEST_DEV: z.string().optional(),
    /** "true" anywhere else where no schedule may run and no alarm may go out. */
    AFTERIMAGE_QUIET: z
      .enum(["true", "false"])
      .default("false")
      .transform((text) => text === "true"),
    /** The server that takes mail for alerts: smtp(s)://user:password@host:port, and what `parseSmtpUrl` says. */
    SMTP_URL: checkedBy(parseSmtpUrl).optional(),
    /** Who the mail is from: an address, or `Name <address>`. */
    ALERT_MAIL_FROM: checkedBy(parseMailbox).optional(),
    /** Who gets it: 1 to 20 addresses, separated by commas. */
    ALERT_MAIL_TO: readBy(parseRecipients).optional(),
    /** Where alerts are posted, as Standard Webhooks. */
    ALERT_WEBHOOK_URL: url.optional(),
    /** What signs them: `whsec_…`; several, separated by spaces, while the receiver changes from one to the next. */
    ALERT_WEBHOOK_SECRET: readBy(parseWebhookSecrets).optional(),
    /** "true" lets the webhook be a private address, or plain http. */
    ALERT_WEBHOOK_ALLOW_PRIVATE: z
      .enum(["true", "false"])
      .default("false")
      .transform((text) => text === "true"),
    /** Where docs/ALERTS.md can be read; every alert links to its entry there. */
    ALERT_DOCS_URL: z.string().min(1).default("docs/ALERTS.md"),
    /**
     * Where cold files are: file:///folder, or s3://bucket/prefix?region=…&endpoint=… with Amazon's own variables for the
     * credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). Without it events stay in the archive's tables.
     */
    ARCHIVE_URL: checkedBy(parseStorageUrl).optional(),
    /** What encrypts cold files: 32 bytes in base64; older keys, which still decrypt, follow after spaces. */
    ARCHIVE_KEYS: readBy(parseArchiveKeys).optional(),
    /** Where traces go, by OpenTelemetry's own variables: a collector, or the whole URL for traces. Without one, none. */
    OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
    OTEL_SERVICE_NAME: z.string().default("afterimage"),
    OTEL_SDK_DISABLED: z
      .string()
      .optional()
      .transform((text) => text?.toLowerCase() === "true"),
    LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  })
  .refine(
    (env) => (env.UPSTASH_REDIS_REST_URL === undefined) === (env.UPSTASH_REDIS_REST_TOKEN === undefined),
    {
      path: ["UPSTASH_REDIS_REST_TOKEN"],
      message: "UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN go together",
    },
  )
  .refine((env) => allOrNone(env.SMTP_URL, env.ALERT_MAIL_FROM, env.ALERT_MAIL_TO), {
    path: ["SMTP_URL"],
    message: "SMTP_URL, ALERT_MAIL_FROM and ALERT_MAIL_TO go together",
  })
  .refine((env) => allOrNone(env.ALERT_WEBHOOK_URL, env.ALERT_WEBHOOK_SECRET), {
    path: ["ALERT_WEBHOOK_SECRET"],
    message: "ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET go together",
  })
  .superRefine(({ ALERT_WEBHOOK_URL: text, ALERT_WEBHOOK_ALLOW_PRIVATE: allowPrivate }, ctx) => {
    try {
      if (text !== undefined) webhookTarget(text, allowPrivate);
    } catch (error) {
      ctx.addIssue({ code: "custom", path: ["ALERT_WEBHOOK_URL"], message: (error as Error).message });
    }
  })
  .refine((env) => env.VERCEL_ENV === undefined || !env.ARCHIVE_URL?.startsWith("file:"), {
    path: ["ARCHIVE_URL"],
    message: "is a bucket in a deployment: a function's folder is gone with it",
  })
  .refine((env) => env.VERCEL_ENV === undefined || /^(0|false)?$/i.test(env.INNGEST_DEV ?? ""), {
    path: ["INNGEST_DEV"],
    message: "lets anybody start workflows: unset it in a deployment",
  });
export type Env = z.infer<typeof envSchema>;

/** Whether this deployment runs no schedules and raises no alarms. */
export const isQuietDeployment = (env: Pick<Env, "AFTERIMAGE_QUIET" | "VERCEL_ENV">): boolean =>
  env.AFTERIMAGE_QUIET || env.VERCEL_ENV === "preview";

/** The value of a variable that the configuration names, a secret as a rule; undefined where it is unset or empty. */
export const envSecret = (
  name: string,
  source: Record<string, string | undefined> = process.env,
): string | undefined => source[name] || undefined;

/** The environment, checked once; throws an Error that names each wrong variable and no value. */
export function readEnv(source: Record<string, string | undefined> = process.env): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ""));
  const parsed = envSchema.safeParse(given, { error: faultInWords });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} (${issue.message})`);
  throw new Error(`Set these environment variables: ${faults.join(", ")}. See docs/DEPLOY.md.`);
}
