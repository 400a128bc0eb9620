import { z } from "zod";
import { job, jobRun } from "../../services/jobs/job.ts";
import { getJob, listJobs } from "../../services/jobs/list.ts";
import { pauseJob, resumeJob } from "../../services/jobs/pause.ts";
import { getJobRun, runJob } from "../../services/jobs/run.ts";
import { page, uuid } from "../../services/inputs.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const params = z.object({
  id: z.string().regex(/^[a-z-]{1,50}$/, "must be the id of a job, as GET /api/jobs lists them"),
});
const runParams = params.extend({ runId: uuid });
const read = { tag: "Jobs", method: "get", scope: "jobs:read", limit: "read" } as const;
const manage = { tag: "Jobs", method: "post", scope: "jobs:manage", limit: "admin" } as const;

export function jobRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    ...read,
    path: "/jobs",
    operationId: "listJobs",
    summary: "The schedules, their last runs, and which are late",
    answers: {
      200: { description: "All schedules.", schema: page(job.extend({ lastRun: jobRun.nullable() })) },
    },
    handle: async (ctx) => ({ status: 200, body: await listJobs(ctx) }),
  });
  endpoint(app, runtime, {
    ...read,
    path: "/jobs/{id}",
    operationId: "getJob",
    summary: "A schedule and its last 20 runs",
    params,
    answers: { 200: { description: "The schedule.", schema: job.extend({ runs: z.array(jobRun) }) } },
    handle: async (ctx, { params: { id } }) => ({ status: 200, body: await getJob(ctx, id) }),
  });
  endpoint(app, runtime, {
    ...read,
    path: "/jobs/{id}/runs/{runId}",
    operationId: "getJobRun",
    summary: "One run",
    params: runParams,
    answers: { 200: { description: "The run.", schema: jobRun } },
    handle: async (ctx, { params: { id, runId } }) => ({
      status: 200,
      body: await getJobRun(ctx, id, runId),
    }),
  });
  endpoint(app, runtime, {
    ...manage,
    path: "/jobs/{id}/run",
    operationId: "runJob",
    summary: "Run a job now",
    params,
    answers: { 202: { description: "Requested; Location says where to follow it.", schema: jobRun } },
    handle: async (ctx, { params: { id } }) => {
      const run = await runJob(ctx, id);
      return { status: 202, body: run, headers: { location: `/api/jobs/${id}/runs/${run.id}` } };
    },
  });
  endpoint(app, runtime, {
    ...manage,
    path: "/jobs/{id}/pause",
    operationId: "pauseJob",
    summary: "Let a job rest",
    params,
    answers: { 200: { description: "The paused schedule.", schema: job } },
    handle: async (ctx, { params: { id } }) => ({ status: 200, body: await pauseJob(ctx, id) }),
  });
  endpoint(app, runtime, {
    ...manage,
    path: "/jobs/{id}/resume",
    operationId: "resumeJob",
    summary: "Let a paused job run by the clock again",
    params,
    answers: { 200: { description: "The schedule.", schema: job } },
    handle: async (ctx, { params: { id } }) => ({ status: 200, body: await resumeJob(ctx, id) }),
  });
}
