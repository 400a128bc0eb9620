import { beforeAll, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";

const api = useApi();

interface Example {
  method: string;
  path: string;
  body: unknown;
}

/** The examples of the OpenAPI document, by the names of their operations. */
const examples = new Map<string, Example>();

beforeAll(async () => {
  const { body: document } = await api.call("GET", "/openapi.json", { key: null });
  for (const [path, item] of Object.entries<Record<string, Record<string, unknown>>>(document.paths)) {
    for (const [method, { operationId, requestBody }] of Object.entries(item)) {
      const body = (requestBody as { content: Record<string, { example?: unknown }> } | undefined)?.content[
        "application/json"
      ]?.example;
      if (body !== undefined) examples.set(String(operationId), { method: method.toUpperCase(), path, body });
    }
  }
  await api.db.rows("admin", "create table public.venues (id int primary key, opens text)");
  await api.db.rows("admin", "select audit.track('public.venues')");
  await api.db.rows("admin", "insert into public.venues values (42, '10:00')");
  await api.db.rows("admin", "update public.venues set opens = null");
});

test("the main writes have an example, which the documentation shows", async () => {
  const names = ["appendEvent", "appendEvents", "createKey", "patchTrail", "placeHold", "previewRestore"];
  expect([...examples.keys()].toSorted()).toEqual([...names, "putTrail"]);
  const { body: page } = await api.call("GET", "/docs", { key: null });
  expect(page.match(/<pre>/g)).toHaveLength(examples.size);
  expect(page).toContain("&quot;actionType&quot;: &quot;UPDATE_WORKSPACE&quot;");
});

test.each([
  ["appendEvent", 201],
  ["appendEvents", 201],
  ["createKey", 201],
  ["putTrail", 201],
  ["patchTrail", 200],
  ["placeHold", 201],
  ["previewRestore", 201],
])("the example of %s is accepted as it stands", async (name, expected) => {
  const { method, path, body } = examples.get(name) as Example;
  const messageId = newId("message");
  const send = (one: Example) =>
    api.call(one.method, one.path.replace("/api", "").replace("{messageId}", messageId), { body: one.body });
  if (name === "patchTrail") await send(examples.get("putTrail") as Example);
  const answer = await send({ method, path, body });
  expect([answer.status, answer.body]).toEqual([expected, expect.any(Object)]);
  if (name === "previewRestore") expect(answer.body.status).toBe("planned");
});
