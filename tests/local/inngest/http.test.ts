import { describe, expect, test } from "vitest";
import { napper, register, useRig } from "./rig.ts";

const { database, executor, host } = useRig();

describe("the executor's HTTP side", () => {
  test("stores the events of a request that is sent again once", async () => {
    const { stage } = napper();
    const { url } = await executor();
    const name = `${stage.app}/again`;
    const headers = { "x-inngest-event-id-seed": `${Date.now()},${Buffer.alloc(10, 9).toString("base64")}` };
    const send = async () => {
      const response = await fetch(`${url}/e/key`, {
        method: "POST",
        headers,
        body: JSON.stringify([{ name }, { name }]),
      });
      return (await response.json()) as { ids: string[]; status: number };
    };
    const [first, second] = [await send(), await send()];
    expect(first).toEqual(second);
    expect(new Set(first.ids).size).toBe(2);
    expect(await database.rows("select from inngest.events where name = $1", [name])).toHaveLength(2);
  });

  test("shows a run with what its function returned", async () => {
    const { stage, actor } = napper();
    const { url } = await executor();
    await register(await host(stage, url));
    const { run_id: id } = await actor.run({ key: "shown" });
    const { data } = (await (await fetch(`${url}/v1/runs/${id}`)).json()) as { data: object };
    const function_id = `${stage.app}-napper`;
    expect(data).toMatchObject({ run_id: id, function_id, status: "Completed", output: "shown" });
    expect((await fetch(`${url}/v1/runs/nothing`)).status).toBe(404);
  });

  test.each([
    ["/e/key", "no json", 400],
    ["/e/key", "{}", 400],
    ["/e/key", '{"name":""}', 400],
    ["/e/key", '{"name":"a\\u0000b"}', 400],
    ["/e/key", '{"name":"a","data":[1]}', 400],
    ["/e/key", '{"name":"inngest/function.finished"}', 400],
    ["/fn/register", '{"appName":"a"}', 400],
    ["/v1/checkpoint/x/async", "{}", 400],
    ["/nowhere", "{}", 404],
  ])("answers %s with %s by %d", async (path, body, status) => {
    const { url } = await executor();
    expect((await fetch(url + path, { method: "POST", body })).status).toBe(status);
    const headers = { origin: "http://evil.example" };
    expect((await fetch(url + path, { method: "POST", body, headers })).status).toBe(403);
  });

  test("refuses to register a function whose cron or expression it cannot read", async () => {
    const { url } = await executor();
    for (const trigger of [{ cron: "at noon" }, { event: "a", expression: "event.data.x >" }]) {
      const runtime = { url: "http://127.0.0.1:1/api/inngest" };
      const fn = { id: "a-b", triggers: [trigger], steps: { step: { runtime } } };
      const body = JSON.stringify({ url: runtime.url, appName: "a", functions: [fn] });
      expect((await fetch(`${url}/fn/register`, { method: "POST", body })).status).toBe(400);
    }
  });
});
