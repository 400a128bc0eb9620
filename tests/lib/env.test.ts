import { describe, expect, test } from "vitest";
import { isQuietDeployment, readEnv } from "../../lib/env.ts";

const database = { DATABASE_URL: "postgres://user:hunter2@db/x" };

describe("the environment", () => {
  test.each([
    ["no database", {}, "DATABASE_URL"],
    ["half of Redis", { ...database, UPSTASH_REDIS_REST_URL: "https://r" }, "UPSTASH_REDIS_REST_TOKEN"],
    ["a pool of none", { ...database, DATABASE_POOL_SIZE: "0" }, "DATABASE_POOL_SIZE"],
    [
      "a development engine in a deployment",
      { ...database, VERCEL_ENV: "production", INNGEST_DEV: "1" },
      "INNGEST_DEV",
    ],
    ["a proxy that is no address", { ...database, NEON_LOCAL_PROXY: "here" }, "NEON_LOCAL_PROXY"],
  ])("with %s is refused by name, and no value is quoted", (_, env, name) => {
    const read = () => readEnv(env);
    expect(read).toThrow(name);
    expect(read).not.toThrow(/hunter2|https:/);
  });

  test("an empty variable counts as one that is not set", () => {
    expect(
      readEnv({ ...database, UPSTASH_REDIS_REST_URL: "", INNGEST_DEV: "", VERCEL_ENV: "production" }),
    ).toMatchObject(database);
  });

  test.each([
    [{}, false],
    [{ VERCEL_ENV: "production" }, false],
    [{ VERCEL_ENV: "preview" }, true],
    [{ AFTERIMAGE_QUIET: "true" }, true],
  ])("%o is quiet: %s", (env, quiet) => {
    expect(isQuietDeployment(readEnv({ ...database, ...env }))).toBe(quiet);
  });
});
