import { z } from "zod";
import { deletedProject, deleteProject, projectDeletion } from "../../services/projects/delete.ts";
import { getProject } from "../../services/projects/get.ts";
import { project, projectRetention, retention } from "../../services/projects/project.ts";
import { setRetention } from "../../services/projects/set-retention.ts";
import type { Runtime } from "../../services/runtime.ts";
import { pathId } from "../../services/inputs.ts";
import type { App } from "../_http/app.ts";
import { endpoint } from "../_http/endpoint.ts";

const tag = "Projects";
const params = z.object({ projectId: pathId });

export function projectRoutes(app: App, runtime: Runtime): void {
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/projects/{projectId}",
    operationId: "getProject",
    summary: "One registered project",
    scope: "projects:read",
    limit: "read",
    params,
    answers: { 200: { description: "The project.", schema: project } },
    handle: async (ctx, { params: { projectId } }) => ({
      status: 200,
      body: await getProject(ctx, projectId),
    }),
  });
  endpoint(app, runtime, {
    tag,
    method: "delete",
    path: "/projects/{projectId}",
    operationId: "deleteProject",
    summary: "Delete a project and its trails; logged first",
    scope: "projects:manage",
    limit: "admin",
    params,
    query: projectDeletion,
    answers: {
      202: {
        description:
          "It and its trails are gone for every reader; Location is the run that deletes the rows. What a legal hold keeps stays in the database until the hold is released, and the clean-up of the next night deletes it.",
        schema: deletedProject,
      },
    },
    handle: async (ctx, { params: { projectId }, query }) => {
      const body = await deleteProject(ctx, projectId, query);
      return { status: 202, body, headers: { location: `/api/jobs/trail-cleanup/runs/${body.runId}` } };
    },
  });
  endpoint(app, runtime, {
    tag,
    method: "get",
    path: "/projects/{projectId}/retention",
    operationId: "getProjectRetention",
    summary: "How many days a project keeps its trails",
    scope: "projects:read",
    limit: "read",
    params,
    answers: { 200: { description: "Days.", schema: projectRetention } },
    handle: async (ctx, { params: { projectId } }) => {
      const { trailRetentionDays } = await getProject(ctx, projectId);
      return { status: 200, body: { projectId, trailRetentionDays } };
    },
  });
  endpoint(app, runtime, {
    tag,
    method: "put",
    path: "/projects/{projectId}/retention",
    operationId: "setProjectRetention",
    summary: "Set how many days a project keeps its trails",
    scope: "projects:manage",
    limit: "admin",
    params,
    body: retention,
    answers: { 200: { description: "Days.", schema: projectRetention } },
    handle: async (ctx, { params: { projectId }, body }) => ({
      status: 200,
      body: await setRetention(ctx, projectId, body),
    }),
  });
}
