import { describe, expect, test } from "vitest";
import { newId, useApi } from "../../support/api.ts";
import { complete, daysAgo, newTrail, placeholder } from "./support.ts";

const api = useApi();

describe("GET /trails", () => {
  test("pages through a project newest first, each trail once, though many share a time", async () => {
    const projectId = newId("proj");
    for (let i = 0; i < 23; i++) {
      const body = complete(projectId, { timestamp: daysAgo(3 + (i % 3)).replace(/T.*/, "T00:00:00Z") });
      await api.call("PUT", `/trails/m-${i}`, { body });
    }
    const seen: { messageId: string; timestamp: string }[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const after: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const { status, body } = await api.call(
        "GET",
        `/trails?projectId=${projectId}&limit=5&includeTotal=true${after}`,
      );
      expect([status, body.total]).toEqual([200, 23]);
      seen.push(...body.items);
      cursor = body.nextCursor;
    }
    expect(new Set(seen.map((one) => one.messageId)).size).toBe(23);
    const times = seen.map((one) => one.timestamp);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  test("finds by model, status and time; a changed filter makes the cursor a 400", async () => {
    const projectId = newId("proj");
    const put = (id: string, more: object) =>
      api.call("PUT", `/trails/${id}`, { body: complete(projectId, more) });
    await put("a", { timestamp: "2026-01-01T00:00:00Z" });
    await put("b", { timestamp: "2026-01-02T00:00:00Z", model: "m2" });
    await put("c", { timestamp: "2026-01-03T00:00:00Z", status: "failed" });
    const find = async (query: string) => {
      const { body } = await api.call("GET", `/trails?projectId=${projectId}&${query}`);
      return body.items.map((one: { messageId: string }) => one.messageId).join("");
    };
    expect(await find("model=m2")).toBe("b");
    expect(await find("status=failed")).toBe("c");
    expect(await find("status=complete")).toBe("ba");
    expect(await find("from=2026-01-02T00:00:00Z")).toBe("cb");
    expect(await find("from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z")).toBe("a");
    const { body } = await api.call("GET", `/trails?projectId=${projectId}&limit=1`);
    const changed = await api.call(
      "GET",
      `/trails?projectId=${projectId}&status=failed&cursor=${body.nextCursor}`,
    );
    expect([changed.status, changed.body.code]).toEqual([400, "invalid_cursor"]);
  });

  test("shows a key the trails of its projects only", async () => {
    const [mine, theirs] = [newTrail(api), newTrail(api)];
    await mine.put(placeholder(mine.projectId));
    await theirs.put(placeholder(theirs.projectId));
    const key = await api.mintKey({ projects: [mine.projectId] });
    const { body } = await api.call("GET", "/trails?includeTotal=true", { key });
    expect(body).toMatchObject({ items: [{ messageId: mine.messageId }], total: 1, nextCursor: null });
  });
});
