import { afterEach, beforeAll } from "vitest";
import {
  createAuditClient,
  type AuditClient,
  type AuditClientOptions,
  type Difference,
  type DroppedWrite,
} from "../../client/index.ts";
import { useApi, type TestApi } from "../support/api.ts";
import { useApiServer, type ApiServer } from "../support/api-server.ts";

export interface ClientStage {
  api: TestApi;
  server: ApiServer;
  /** A client of the served API with what it dropped and where its stores differed; `required` on the database unless told. */
  client(options?: AuditClientOptions): Reporting;
}

export interface Reporting {
  client: AuditClient;
  dropped: DroppedWrite[];
  differences: Difference[];
}

export function useClients(): ClientStage {
  const api = useApi();
  const server = useApiServer(api);
  const made: AuditClient[] = [];
  let apiKey: string;
  // What one test left unsent must not come to the next one's server.
  afterEach(() => Promise.all(made.splice(0).map((client) => client.close())));
  beforeAll(async () => {
    apiKey = await api.mintKey();
  });
  return {
    api,
    server,
    client: (options = {}) => {
      const dropped: DroppedWrite[] = [];
      const differences: Difference[] = [];
      const client = createAuditClient({
        url: server.url,
        apiKey,
        backend: "database",
        log: () => undefined,
        onDropped: (one) => dropped.push(one),
        onDifference: (one) => differences.push(one),
        ...options,
      });
      made.push(client);
      return { client, dropped, differences };
    },
  };
}

export const MODEL = "claude-3-7-sonnet-20250219";

export const trail = (messageId: string, projectId: string, more: object = {}) => ({
  messageId,
  projectId,
  timestamp: new Date("2026-11-20T12:00:00.123Z"),
  model: MODEL,
  reasoning: ["The context holds the answer."],
  contextLayers: 3,
  tokens: { prompt: 100, completion: 50, total: 150 },
  cost: { prompt: 0.0003, completion: 0.00075, total: 0.00105 },
  ...more,
});

export const event = (workspaceId: string, more: object = {}) => ({
  actionType: "UPDATE_WORKSPACE",
  resourceType: "workspace",
  resourceId: workspaceId,
  workspaceId,
  createdByUserId: "user-1",
  oldValues: { plan: "free" },
  newValues: { plan: "team" },
  ...more,
});
