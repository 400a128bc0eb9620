import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { newEvent } from "./support.ts";

const api = useApi();
const INSERT = `insert into audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id)
  select $1, 'u', 'TEST_EVENT', 'thing', i::text from generate_series(1, $2::int) i returning id`;

async function open(query: string) {
  const response = await api.app.request(`http://localhost/api/audit/events/export?${query}`, {
    headers: { authorization: `Bearer ${await api.mintKey()}` },
  });
  expect(response.status).toBe(200);
  return (response.body as ReadableStream<Uint8Array>).getReader();
}

/** Ids in the rest of a stream of NDJSON, and in how many pieces it came. */
async function drain(reader: ReadableStreamDefaultReader<Uint8Array>, between: () => Promise<unknown>) {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    await between();
  }
  const text = Buffer.concat(pieces).toString().trim();
  return {
    ids: text.split("\n").map((line) => (JSON.parse(line) as { id: string }).id),
    pieces: pieces.length,
  };
}

const queriesRunning = async () =>
  (
    await api.db.rows(
      "superuser",
      "select from pg_stat_activity where datname = current_database() and usename = 'audit_app' and state <> 'idle'",
    )
  ).length;

describe("an export of several thousand events", () => {
  test("holds what was committed at its start, each once, whatever is written meanwhile", async () => {
    const ws = newId("ws");
    const before = await api.db.rows<{ id: string }>("app", INSERT, [ws, 3_210]);
    const late = await api.db.pool("app").connect();
    try {
      await late.query("begin");
      const { rows: uncommitted } = await late.query<{ id: string }>(INSERT, [ws, 3]);
      const reader = await open(`format=ndjson&workspaceId=${ws}&actionType=TEST_EVENT`);
      await late.query("commit");
      const { ids, pieces } = await drain(reader, () => api.db.rows("app", INSERT, [ws, 10]));
      expect(pieces).toBeGreaterThan(3);
      expect(ids).toHaveLength(3_210);
      expect(new Set(ids)).toEqual(new Set(before.map((one) => one.id)));
      expect(ids).not.toContain(uncommitted[0]?.id);
    } finally {
      late.release(true);
    }
    const { body } = await api.call(
      "GET",
      `/audit/events?workspaceId=${ws}&limit=1&includeTotal=true&actionType=TEST_EVENT`,
    );
    expect(body.total).toBeGreaterThan(3_213);
  });

  test("a hundred clients that stop after the first piece leave no connection in use", async () => {
    const ws = newId("ws");
    await api.db.rows("app", INSERT, [ws, 1_200]);
    for (let round = 0; round < 4; round++) {
      const readers = await Promise.all(
        Array.from({ length: 25 }, () => open(`format=ndjson&workspaceId=${ws}`)),
      );
      await Promise.all(
        readers.map(async (reader, i) => {
          if (i % 2) await reader.read();
          await reader.cancel();
        }),
      );
    }
    await expect.poll(queriesRunning, { timeout: 20_000 }).toBe(0);
    // A reader that was between two queries ends after them.
    const inUse = () => {
      const { total, idle, waiting } = api.runtime.app.connections();
      return [total - idle, waiting];
    };
    await expect.poll(inUse, { timeout: 20_000 }).toEqual([0, 0]);
    expect(api.runtime.app.connections().total).toBeLessThanOrEqual(10);
    expect((await api.call("POST", "/audit/log", { body: newEvent(ws) })).status).toBe(201);
  });

  test("is not read ahead of a slow client, and breaks off visibly when the database then fails", async () => {
    const ws = newId("ws");
    await api.db.rows("app", INSERT, [ws, 5_000]);
    const reader = await open(`format=ndjson&workspaceId=${ws}&actionType=TEST_EVENT`);
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const logged = api.logs.length;
    let pieces = 0;
    await api.db.rows("superuser", "revoke select on audit.every_event from audit_app");
    try {
      await expect(drain(reader, async () => ++pieces)).rejects.toThrow();
    } finally {
      await api.db.rows("superuser", "grant select on audit.every_event to audit_app");
    }
    expect(pieces).toBeLessThanOrEqual(2);
    expect(api.logs.slice(logged).join("")).toContain("export broke off");
  });
});
