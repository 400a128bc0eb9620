import { z } from "zod";

const url = z.string().min(1);
const optionalUrl = url.optional();

/** Every variable that the deployed service reads; Inngest's own (INNGEST_*) are read by its SDK. */
export const envSchema = z
  .object({
    /** Postgres as audit_app; with a pooler, the pooled URL. */
    DATABASE_URL: url,
    /** Postgres as audit_worker; without it the workflows use DATABASE_URL. */
    WORKER_DATABASE_URL: optionalUrl,
    /** Postgres as the admin that owns the database; only `afterimage migrate` and `keys` use it. Not pooled. */
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
    LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  })
  .refine(
    (env) => (env.UPSTASH_REDIS_REST_URL === undefined) === (env.UPSTASH_REDIS_REST_TOKEN === undefined),
    {
      path: ["UPSTASH_REDIS_REST_TOKEN"],
      message: "UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN go together",
    },
  )
  .refine((env) => env.VERCEL_ENV === undefined || /^(0|false)?$/i.test(env.INNGEST_DEV ?? ""), {
    path: ["INNGEST_DEV"],
    message: "lets anybody start workflows: unset it in a deployment",
  });
export type Env = z.infer<typeof envSchema>;

/** Whether this deployment runs no schedules and raises no alarms. */
export const isQuietDeployment = (env: Pick<Env, "AFTERIMAGE_QUIET" | "VERCEL_ENV">): boolean =>
  env.AFTERIMAGE_QUIET || env.VERCEL_ENV === "preview";

/** The environment, checked once; throws an Error that names each wrong variable and no value. */
export function readEnv(source: Record<string, string | undefined> = process.env): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ""));
  const parsed = envSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} (${issue.message})`);
  throw new Error(`Set these environment variables: ${faults.join(", ")}. See docs/DEPLOY.md.`);
}
