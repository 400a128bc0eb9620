import { afterEach, describe, expect, test } from "vitest";
import { newEvent } from "../../api/support.ts";
import { withClient } from "../../db/helpers.ts";
import { newId, useApi } from "../../support/api.ts";
import { holdsOn } from "../../support/holds.ts";
import { useMessages } from "./support.ts";

const api = useApi();
const message = useMessages(api);
const holds = holdsOn(api.db);
afterEach(() => holds.release());

describe("the holds of a message's evidence", () => {
  test("are those on the workspace of its events and on all messages, not on other things", async () => {
    const { ws, evidence } = await message();
    const place = (body: object) => api.call("POST", "/holds", { body });
    await place({ workspaceId: ws, reason: "whole workspace" });
    await place({ workspaceId: ws, resourceType: "message", reason: "all messages" });
    await place({ workspaceId: ws, resourceType: "document", reason: "documents" });
    await place({ workspaceId: ws, subjectUserId: "user-9", reason: "a person" });
    await place({ workspaceId: newId("ws"), reason: "elsewhere" });
    await place({ workspaceId: newId("ws"), resourceType: "message", reason: "all messages elsewhere" });
    const { body } = await evidence();
    expect(body.holds.map(({ reason }: { reason: string }) => reason)).toEqual([
      "all messages",
      "whole workspace",
      "Case 12",
    ]);
  });

  test("are those on whoever made its events or changed its row, wherever that was", async () => {
    const { ws, messageId, evidence } = await message();
    const [rater, editor] = [newId("user"), newId("user")];
    const body = newEvent(ws, { resourceType: "message", resourceId: messageId, createdByUserId: rater });
    expect((await api.call("POST", "/audit/log", { body })).status).toBe(201);
    await withClient(api.db, "admin", async (client) => {
      await client.query("select set_config('app.user_id', $1, false)", [editor]);
      await client.query("update app.messages set score = 6 where id = $1", [messageId]);
    });
    const keeping = [
      { subjectUserId: rater },
      { subjectUserId: rater, workspaceId: ws },
      { subjectUserId: editor },
      { subjectUserId: editor, resourceType: "app.messages" },
    ];
    const others = [
      { subjectUserId: rater, workspaceId: newId("ws") },
      { subjectUserId: rater, resourceType: "app.messages" },
      { subjectUserId: editor, workspaceId: ws },
      { subjectUserId: newId("user") },
    ];
    for (const hold of [...keeping, ...others]) {
      const placed = await api.call("POST", "/holds", { body: { ...hold, reason: JSON.stringify(hold) } });
      expect(placed.status).toBe(201);
    }
    const { holds: shown, incomplete } = (await evidence()).body;
    expect(shown.map(({ reason }: { reason: string }) => reason).toReversed()).toEqual([
      "Case 12",
      ...keeping.map((hold) => JSON.stringify(hold)),
    ]);
    expect(incomplete).toEqual([]);
  });

  test("are all that keep its trail, project or row, wherever its events are looked for, and no others", async () => {
    const { messageId, projectId, ws, evidence } = await message();
    const keeping = [
      { resourceType: "trail", resourceId: messageId },
      { resourceType: "trail" },
      { resourceType: "trail", workspaceId: newId("ws") },
      { resourceType: "project", resourceId: projectId },
      { resourceType: "project" },
      { resourceType: "app.messages", resourceId: messageId },
    ];
    const others = [
      { resourceType: "trail", resourceId: newId("msg") },
      { resourceType: "trail", resourceId: projectId },
      { resourceType: "trail", resourceId: messageId, subjectUserId: "user-9" },
      { resourceType: "project", resourceId: newId("proj") },
      { resourceType: "app.replies" },
      { subjectUserId: "user-9" },
    ];
    for (const hold of [...keeping, ...others]) {
      const body = { ...hold, reason: JSON.stringify(hold) };
      expect((await api.call("POST", "/holds", { body })).status).toBe(201);
    }
    const shown = async (query: string, key?: string) =>
      (await evidence(query, key)).body.holds.map(({ reason }: { reason: string }) => reason);
    const wanted = ["Case 12", ...keeping.map((hold) => JSON.stringify(hold))].toReversed();
    expect(await shown("")).toEqual(wanted);
    expect(await shown(`?workspaceId=${ws}`)).toEqual(wanted);
    const stopping = await api.db.rows(
      "app",
      `select distinct s.reason from (values ('trail', $1), ('project', $2)) r (type, id)
       cross join lateral audit.deletion_stops(null, r.type, r.id, null, true) s`,
      [messageId, projectId],
    );
    expect(stopping).toHaveLength(5);
    expect(wanted).toEqual(expect.arrayContaining(stopping.map(({ reason }) => reason)));
    expect(await shown("", await api.mintKey({ workspaces: [ws] }))).toEqual(["Case 12"]);
  });
});
