import type { Redis } from "@upstash/redis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startRedis, type LocalRedis } from "../../../local/redis/index.ts";
import { commandCases } from "./command-cases.ts";
import { scriptCases } from "./script-cases.ts";
import { clientOf, realServer, removeFolder, temporaryFolder, withoutServer } from "./support.ts";

function suite(forceMemory: boolean): void {
  let folder: string;
  let local: LocalRedis;
  let redis: Redis;

  beforeAll(async () => {
    folder = temporaryFolder();
    local = await startRedis({ dataDir: folder, forceMemory });
    redis = clientOf(local);
  });
  beforeEach(async () => {
    await redis.flushall();
  });
  afterAll(async () => {
    await local?.stop();
    removeFolder(folder);
  });

  test("the backend is the one that was asked for", () => {
    expect(local.kind).toBe(forceMemory ? "memory" : "redis-server");
  });
  // One list with one set of answers for both backends: what a test sees in memory, it sees on Redis.
  test.each([...commandCases, ...scriptCases])("$name", async ({ run, answer }) => {
    expect(await run(redis)).toEqual(answer);
  });
}

describe("the in-memory subset", () => suite(true));
describe.skipIf(withoutServer)(realServer, () => suite(false));
