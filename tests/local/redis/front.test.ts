import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startRedis, type LocalRedis } from "../../../local/redis/index.ts";
import { clientOf, post, removeFolder, temporaryFolder } from "./support.ts";

const folder = temporaryFolder();
let local: LocalRedis;

beforeAll(async () => {
  local = await startRedis({ dataDir: folder, forceMemory: true });
});
afterAll(async () => {
  await local?.stop();
  removeFolder(folder);
});

const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("the token", () => {
  test.each([
    ["another one", "Bearer wrong"],
    ["an empty one", "Bearer "],
    ["one without Bearer", "{token}"],
    ["one with a tail", "Bearer {token}x"],
  ])("%s is refused on every path", async (_name, header) => {
    const authorization = header.replace("{token}", local.token);
    for (const path of ["/", "/pipeline", "/multi-exec", "/elsewhere"]) {
      const { status, body } = await post(local, path, [["PING"]], { authorization });
      expect(status).toBe(401);
      expect(body).toEqual({ error: expect.stringMatching(/^WRONGPASS/) });
    }
  });

  test("is refused by the real client with an error that says so", async () => {
    const stranger = clientOf({ url: local.url, token: "wrong" });
    await expect(stranger.get("k")).rejects.toThrow(/WRONGPASS/);
  });

  test("is a file that only its owner reads, and stays the same for the next start", async () => {
    expect(fs.statSync(path.join(folder, "redis-token")).mode & 0o777).toBe(0o600);
    const second = await startRedis({ dataDir: folder, forceMemory: true });
    await second.stop();
    expect(second.token).toBe(local.token);
    expect(second.url).not.toBe(local.url);
  });
});

describe("replies", () => {
  test("are plain by default", async () => {
    expect(await post(local, "/", ["SET", "k", "é"])).toEqual({ status: 200, body: { result: "OK" } });
    expect(await post(local, "/", ["GET", "k"])).toEqual({ status: 200, body: { result: "é" } });
    expect(await post(local, "/", ["HSET", "raw", "a", 1, "b", true])).toMatchObject({ body: { result: 2 } });
    expect(await post(local, "/", ["HGETALL", "raw"])).toMatchObject({
      body: { result: ["a", "1", "b", "true"] },
    });
  });

  test("are base64 when asked for, but for OK, numbers and null", async () => {
    const commands = [
      ["SET", "k", "OK"],
      ["GET", "k"],
      ["PING"],
      ["INCR", "n"],
      ["GET", "no"],
      ["MGET", "k", "no"],
    ];
    const { body } = await post(local, "/pipeline", commands, { "upstash-encoding": "base64" });
    expect(body).toEqual([
      { result: "OK" },
      { result: base64("OK") },
      { result: base64("PONG") },
      { result: 1 },
      { result: null },
      { result: [base64("OK"), null] },
    ]);
  });

  test("of a pipeline hold each command's own error, a single command's error is a 400", async () => {
    const pipeline = await post(local, "/pipeline", [["PING"], ["NOSUCH"], ["GET"], ["PING"]]);
    expect(pipeline).toEqual({
      status: 200,
      body: [
        { result: "PONG" },
        { error: expect.stringMatching(/^ERR unknown command/) },
        { error: expect.stringMatching(/^ERR wrong number of arguments/) },
        { result: "PONG" },
      ],
    });
    expect(await post(local, "/", ["NOSUCH"])).toMatchObject({
      status: 400,
      body: { error: expect.any(String) },
    });
  });
});

describe("bad input", () => {
  test.each([
    ["no JSON", "{"],
    ["an empty body", ""],
    ["an object", {}],
    ["an empty list", []],
    ["text", '"PING"'],
  ])("%s is a 400 on every path", async (_name, body) => {
    for (const path of ["/", "/pipeline", "/multi-exec"])
      expect((await post(local, path, body)).status).toBe(400);
  });

  test("a list of commands where one is expected, and the reverse, is refused", async () => {
    expect((await post(local, "/pipeline", ["PING"])).status).toBe(400);
    expect((await post(local, "/", [["PING"]])).status).toBe(400);
  });

  test("another path is a 404 and another method a 405", async () => {
    expect((await post(local, "/get/k", ["PING"])).status).toBe(404);
    const response = await fetch(local.url, { headers: { authorization: `Bearer ${local.token}` } });
    expect(response.status).toBe(405);
  });

  test("a body over 1 MiB is a 413, one below is stored", async () => {
    expect((await post(local, "/", ["SET", "big", "x".repeat(1_100_000)])).status).toBe(413);
    expect((await post(local, "/", ["SET", "big", "x".repeat(1_000_000)])).status).toBe(200);
  });

  test("a command that would hold or change the shared connection is refused, alone and in a transaction", async () => {
    for (const command of [["subscribe", "x"], ["MULTI"], ["BLPOP", "k", 0], ["Shutdown"], ["SELECT", 1]]) {
      const { status, body } = await post(local, "/", command);
      expect([status, body]).toEqual([400, { error: expect.stringContaining("not available") }]);
      expect((await post(local, "/multi-exec", [["PING"], command])).status).toBe(400);
    }
  });

  test("a script without end is ended, and others are served afterwards", async () => {
    const { body } = await post(local, "/", ["EVAL", "while true do end", 0]);
    expect(body).toEqual({ error: expect.stringContaining("ran longer") });
    expect(await post(local, "/", ["PING"])).toMatchObject({ body: { result: "PONG" } });
  });
});

test("another port is taken when the wanted one is in use", async () => {
  const stranger = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => stranger.once("listening", resolve));
  const { port } = stranger.address() as net.AddressInfo;
  const other = temporaryFolder();
  const redis = await startRedis({ dataDir: other, port, forceMemory: true });
  try {
    expect(redis.url).not.toBe(`http://127.0.0.1:${port}`);
    expect(await clientOf(redis).ping()).toBe("PONG");
  } finally {
    await redis.stop();
    stranger.close();
    removeFolder(other);
  }
});
