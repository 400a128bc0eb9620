import { beforeAll } from "vitest";
import { workerContext } from "../../../services/runtime.ts";
import { rollUpTrails } from "../../../services/trails/roll-up.ts";
import { newEvent } from "../../api/support.ts";
import { newId, type TestApi } from "../../support/api.ts";
import { complete, newTrail } from "../trails/support.ts";

export const rollUpAll = async (api: TestApi) => {
  while ((await rollUpTrails(workerContext(api.runtime), 1_000)) > 0);
};

/** Makes messages of an application with a tracked table: each has an event, a row that changed twice, a hold and an entry of the deletion log. */
export function useMessages(api: TestApi) {
  beforeAll(async () => {
    await api.db.rows(
      "admin",
      "create schema app; create table app.messages (id text primary key, score bigint)",
    );
    await api.db.rows("admin", "select audit.track('app.messages')");
  });
  return async function message() {
    const trail = newTrail(api);
    const { messageId, projectId } = trail;
    const ws = newId("ws");
    const timestamp = new Date(Date.now() - 3_600_000).toISOString();
    await trail.put(
      complete(projectId, { timestamp, inputs: { prompt: "Hello" }, digests: { policy: "v7" } }),
    );
    await rollUpAll(api);
    const named = { resourceType: "message", resourceId: messageId };
    await api.call("POST", "/audit/log", { body: newEvent(ws, { ...named, actionType: "message.rated" }) });
    await api.call("POST", "/audit/log", {
      body: newEvent(ws, { resourceType: "message", resourceId: "other" }),
    });
    await api.db.rows("admin", "insert into app.messages values ($1, 9007199254740993)", [messageId]);
    await api.db.rows("admin", "update app.messages set score = 5 where id = $1", [messageId]);
    await api.call("POST", "/holds", { body: { ...named, workspaceId: ws, reason: "Case 12" } });
    await api.db.rows(
      "app",
      "insert into audit_deletion_log (deleted_by_user_id, subject_type, subject_id, deletion_reason) values ('bob', 'message', $1, 'asked for')",
      [messageId],
    );
    const evidence = (query = "", key?: string) =>
      api.call("GET", `${trail.path}/evidence${query}`, key === undefined ? {} : { key });
    return { ...trail, ws, timestamp, evidence };
  };
}
