import type { JobConfig } from "../../../lib/config.ts";
import { DeliveryError } from "../../../lib/delivery.ts";
import { envSecret } from "../../../lib/env.ts";
import type { WorkflowEvent } from "../../../lib/inngest.ts";
import { safeError } from "../../../lib/logger.ts";
import { createWebhookSender, parseWebhookSecrets } from "../../../lib/webhooks.ts";
import { ServiceError } from "../../errors.ts";
import type { RestoreContext } from "../context.ts";
import type { Job } from "./jobs.ts";
import { chunks } from "./rows.ts";

/** What the workflow engine gets at once; Inngest takes events of 256 KiB on its smallest plan. */
const EVENTS_BYTES_MAX = 256 * 1_024;
const POSTS_AT_ONCE = 5;
const POST_TIMEOUT_MS = 10_000;

type WebhookJob = Extract<JobConfig, { url: string }>;
type Note = (taken: Job[]) => Promise<void>;

/** Hands those jobs that are events to the workflow engine, noting each batch that it took. */
export async function sendEvents(ctx: RestoreContext, jobs: readonly Job[], note: Note): Promise<void> {
  for (const batch of batches(jobs.flatMap(withEvent))) {
    try {
      await ctx.send(batch.map(({ event }) => event));
    } catch (error) {
      ctx.log.warn({ error: safeError(error) }, "jobs not enqueued");
      throw new ServiceError(
        "unavailable",
        "The workflow engine did not take the jobs of a restore: check INNGEST_* and that it is up. Then repeat the side effects.",
      );
    }
    await note(batch.map(({ job }) => job));
  }
}

interface EventOfJob {
  job: Job;
  event: WorkflowEvent;
}

const withEvent = (job: Job): EventOfJob[] =>
  "event" in job.config ? [{ job, event: { id: job.id, name: job.config.event, data: job.data } }] : [];

function* batches(all: EventOfJob[]): Generator<EventOfJob[]> {
  let batch: EventOfJob[] = [];
  let bytes = 0;
  for (const one of all) {
    const size = Buffer.byteLength(JSON.stringify(one.event));
    if (batch.length > 0 && bytes + size > EVENTS_BYTES_MAX) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Posts those jobs that go to a URL, a few at once, noting those that were taken before it fails because of others. */
export async function postJobs(jobs: readonly Job[], note: Note): Promise<void> {
  const posts = jobs.flatMap((job) => ("url" in job.config ? [{ job, config: job.config }] : []));
  for (const some of chunks(posts, POSTS_AT_ONCE)) {
    const ends = await Promise.allSettled(some.map(({ job, config }) => post(job, config)));
    await note(some.filter((_, i) => ends[i]?.status === "fulfilled").map(({ job }) => job));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
  }
}

/** One attempt, as Standard Webhooks. */
async function post(job: Job, config: WebhookJob): Promise<void> {
  const { url, secretEnv, allowPrivate = false } = config;
  const body = JSON.stringify({
    type: "restore.job",
    timestamp: new Date().toISOString(),
    data: job.data,
  });
  const sender = createWebhookSender({ allowPrivate, timeoutMs: POST_TIMEOUT_MS });
  try {
    await sender.send({ url, secrets: secretsOf(secretEnv), id: job.id, body });
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    throw new ServiceError(
      "unavailable",
      `${new URL(url).host} did not take a job of a restore: ${error.reason}. Mend it, then repeat the side effects.`,
    );
  }
}

function secretsOf(variable: string): string[] {
  try {
    return parseWebhookSecrets(envSecret(variable) ?? "");
  } catch (error) {
    throw new ServiceError("unavailable", `${variable} ${(error as Error).message}`);
  }
}
