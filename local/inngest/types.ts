import { z } from "zod";

/** `step_id` of the job that discovers what comes next; every other job runs the step it names. */
export const DISCOVERY = "step";

export const INTERNAL_PREFIX = "inngest/";
export const FUNCTION_INVOKED = "inngest/function.invoked";
export const FUNCTION_FINISHED = "inngest/function.finished";
export const FUNCTION_FAILED = "inngest/function.failed";
export const FUNCTION_CANCELLED = "inngest/function.cancelled";
export const SCHEDULED_TIMER = "inngest/scheduled.timer";

/** `opts.parallelMode` of a step that takes part in a race. */
export const RACE = "race";

/** Key under `event.data` for what the engine itself needs to know of an event. */
export const ENGINE_KEY = "_inngest";

const NAME_LENGTH_MAX = 256;
const ID_LENGTH_MAX = 1_024;
const plainText = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !text.includes("\0"), "has a NUL character");

/** An event as it arrives; `id` is the sender's key against duplicates. */
export const incomingEventSchema = z.object({
  id: plainText(ID_LENGTH_MAX).nullish(),
  name: plainText(NAME_LENGTH_MAX),
  data: z.record(z.string(), z.unknown()).nullish(),
  user: z.record(z.string(), z.unknown()).nullish(),
  ts: z.number().nullish(),
  v: z.string().nullish(),
});
export type IncomingEvent = z.infer<typeof incomingEventSchema>;

/** An event as functions see it. */
export interface EventPayload {
  id: string;
  name: string;
  data: Record<string, unknown>;
  user: Record<string, unknown>;
  ts: number;
  v?: string;
}

const concurrencySchema = z.object({
  limit: z.number().int(),
  key: z.string().nullish(),
  scope: z.enum(["fn", "env", "account"]).nullish(),
});

const triggerSchema = z.object({
  event: z.string().nullish(),
  expression: z.string().nullish(),
  cron: z.string().nullish(),
});

/** A function as the SDK registers it (SDK spec §4.3.2); what this executor does not do is not read. */
export const functionConfigSchema = z.object({
  id: z.string().min(1),
  name: z.string().nullish(),
  triggers: z.array(triggerSchema),
  steps: z.object({
    step: z.object({
      runtime: z.object({ url: z.url() }),
      retries: z.object({ attempts: z.number().int().nullish() }).nullish(),
    }),
  }),
  idempotency: z.string().nullish(),
  cancel: z
    .array(z.object({ event: z.string(), if: z.string().nullish(), timeout: z.string().nullish() }))
    .nullish(),
  concurrency: z.union([z.number().int(), concurrencySchema, z.array(concurrencySchema)]).nullish(),
  timeouts: z.object({ start: z.string().nullish(), finish: z.string().nullish() }).nullish(),
});
export type FunctionConfig = z.infer<typeof functionConfigSchema>;

/** The body of `POST /fn/register`. */
export const registrationSchema = z.object({
  url: z.url(),
  appName: z.string().min(1),
  sdk: z.string().nullish(),
  functions: z.array(functionConfigSchema),
});

const opOptionsSchema = z
  .object({
    duration: z.string().nullish(),
    event: z.string().nullish(),
    timeout: z.string().nullish(),
    if: z.string().nullish(),
    function_id: z.string().nullish(),
    payload: z
      .object({ data: z.record(z.string(), z.unknown()).nullish(), v: z.string().nullish() })
      .nullish(),
    parallelMode: z.string().nullish(),
  })
  .nullish();

/** One operation an SDK reports (SDK spec §5.3). */
export const opSchema = z.object({
  id: z.string().min(1),
  op: z.string(),
  name: z.string().nullish(),
  displayName: z.string().nullish(),
  opts: opOptionsSchema,
  data: z.unknown().optional(),
  error: z.unknown().optional(),
});
export type Op = z.infer<typeof opSchema>;

export type RunStatus = "Running" | "Completed" | "Failed" | "Cancelled";

/** A run's row, as far as the engine works with it. */
export interface RunRow {
  id: string;
  function_id: string;
  event_internal_id: string;
  event: string;
  status: RunStatus;
  correlation_id: string | null;
  plan_steps: boolean;
}

/** How failures travel: the SDK's own shape, with whatever else it put there. */
export interface SerializedError {
  name: string;
  message: string;
  [field: string]: unknown;
}
