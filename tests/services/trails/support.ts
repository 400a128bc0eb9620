import { newId, type CallOptions, type TestApi } from "../../support/api.ts";

export const MODEL = "claude-3-7-sonnet-20250219";

export const placeholder = (projectId: string, more: object = {}) => ({
  projectId,
  model: MODEL,
  contextLayers: 3,
  ...more,
});

export const complete = (projectId: string, more: object = {}) =>
  placeholder(projectId, {
    tokens: { prompt: 100, completion: 50 },
    cost: { prompt: 0.0003, completion: 0.00075 },
    ...more,
  });

/** A trail of a project and message of this test's own, and the calls to it. */
export function newTrail(api: TestApi) {
  const projectId = newId("proj");
  const messageId = newId("msg");
  const path = `/trails/${messageId}`;
  return {
    projectId,
    messageId,
    path,
    put: (body: object, options: CallOptions = {}) => api.call("PUT", path, { ...options, body }),
    patch: (body: object, options: CallOptions = {}) => api.call("PATCH", path, { ...options, body }),
    get: (options: CallOptions = {}) => api.call("GET", path, options),
  };
}

export const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 60 * 60 * 1_000).toISOString();
