import { z } from "zod";
import type { Job, RunState } from "./jobs.ts";
import { messageOf } from "./log.ts";
import { maxAttempts } from "./registry.ts";
import { opSchema, type EventPayload, type FunctionConfig, type Op, type SerializedError } from "./types.ts";

const CALL_TIMEOUT_MS = 15 * 60_000;
/** Above this the SDK fetches events and steps itself (`use_api`), as platforms bound request bodies. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const REQUEST_VERSION = 2;
const ERROR_TEXT_LENGTH_MAX = 1_000;

/** What came of a call. `retryAt` is the moment that the function itself asked for. */
export type Outcome =
  | { kind: "ops"; ops: Op[]; retryAt: Date | null }
  | { kind: "done"; data: unknown }
  | { kind: "error"; error: SerializedError; retry: boolean; retryAt: Date | null };

/** Makes one call request (SDK spec §4.4) and reads its answer. Never throws: failures are outcomes. */
export async function callFunction(
  config: FunctionConfig,
  job: Job,
  state: RunState,
  options: { checkpointing: boolean; signal: AbortSignal },
): Promise<Outcome> {
  const url = new URL(config.steps.step.runtime.url);
  url.searchParams.set("stepId", job.stepId);
  const requestId = `${job.id}.${job.generation}`;
  try {
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      body: requestBody(config, job, state, requestId, options.checkpointing),
      headers: {
        "content-type": "application/json",
        "x-run-id": job.runId,
        "x-request-id": requestId,
        "x-inngest-server-kind": "dev",
        "x-inngest-step-id": job.stepId,
        "x-inngest-job-id": job.id,
        "x-inngest-generation-id": String(job.generation),
        "x-inngest-req-version": String(REQUEST_VERSION),
      },
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
    });
    return readResponse(response, await response.text());
  } catch (error) {
    return failure("UnreachableError", `The app at ${url.origin} did not answer: ${messageOf(error)}`);
  }
}

function requestBody(
  config: FunctionConfig,
  job: Job,
  state: RunState,
  requestId: string,
  checkpointing: boolean,
): string {
  const event = JSON.parse(state.run.event) as EventPayload;
  const stack = state.steps.map((step) => step.step_id);
  const render = (useApi: boolean) =>
    JSON.stringify({
      version: REQUEST_VERSION,
      event,
      events: useApi ? [] : [event],
      steps: useApi ? {} : stepsObject(state.steps),
      defers: {},
      ctx: {
        // Without fn_id the SDK has nothing to send checkpoints for, and makes one request per step.
        ...(checkpointing ? { fn_id: config.id } : {}),
        run_id: job.runId,
        step_id: job.stepId,
        env: "dev",
        attempt: job.attempt,
        max_attempts: maxAttempts(config),
        qi_id: job.id,
        request_id: requestId,
        generation_id: job.generation,
        job_id: job.id,
        disable_immediate_execution: state.run.plan_steps,
        use_api: useApi,
        stack: { stack, current: Math.max(0, stack.length - 1) },
      },
    });
  const body = render(false);
  return Buffer.byteLength(body) > BODY_BYTES_MAX ? render(true) : body;
}

/** Memoized steps as the SDK takes them: hashed id → `{data}` or `{error}`. */
export function stepsObject(steps: { step_id: string; result: string }[]): Record<string, unknown> {
  return Object.fromEntries(steps.map((step) => [step.step_id, JSON.parse(step.result) as unknown]));
}

/** Reads the answer to a call request (SDK spec §4.4.3 and §5.1.1). */
function readResponse(response: Pick<Response, "status" | "headers">, text: string): Outcome {
  if (!response.headers.has("x-inngest-sdk")) {
    return failure("UnreachableError", `HTTP ${response.status} that is not from an Inngest SDK`);
  }
  const body = parseJson(text);
  if (body === undefined) {
    return failure("Error", `HTTP ${response.status} without JSON: ${text.slice(0, ERROR_TEXT_LENGTH_MAX)}`);
  }
  const retryAt = retryMoment(response.headers.get("retry-after"));
  if (response.status === 206) {
    const ops = z.array(opSchema).safeParse([body].flat());
    if (ops.success) return { kind: "ops", ops: ops.data, retryAt };
    return failure("Error", `The SDK reported steps in an unknown form: ${z.prettifyError(ops.error)}`);
  }
  if (response.status === 200) return { kind: "done", data: body };
  const retry = response.headers.get("x-inngest-no-retry") !== "true";
  return { kind: "error", error: serializedError(body, response.status), retry, retryAt };
}

function serializedError(body: unknown, status: number): SerializedError {
  const fields = typeof body === "object" && body !== null ? body : { message: String(body) };
  const known = fields as { name?: unknown; message?: unknown; error?: unknown };
  const message = [known.message, known.error].find((text) => typeof text === "string");
  return {
    ...fields,
    name: typeof known.name === "string" ? known.name : "Error",
    message: message ?? `HTTP ${status}`,
  };
}

/** `Retry-After`: seconds from now or a date. */
function retryMoment(header: string | null): Date | null {
  if (!header) return null;
  const seconds = Number(header);
  const moment = Number.isFinite(seconds) ? new Date(Date.now() + seconds * 1_000) : new Date(header);
  return Number.isNaN(moment.getTime()) ? null : moment;
}

function failure(name: string, message: string): Outcome {
  return { kind: "error", error: { name, message }, retry: true, retryAt: null };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
