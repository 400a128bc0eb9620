import { describe, expect, test } from "vitest";
import { isQuietDeployment, readEnv } from "../../lib/env.ts";

const database = { DATABASE_URL: "postgres://user:hunter2@db/x" };
const mail = {
  ...database,
  SMTP_URL: "smtps://user:hunter2@h",
  ALERT_MAIL_FROM: "Afterimage <a@b.example>",
  ALERT_MAIL_TO: "one@b.example, two@b.example",
};
const secret = `whsec_${Buffer.alloc(32).toString("base64")}`;
const webhook = {
  ...database,
  ALERT_WEBHOOK_URL: "https://receiver.example/hook",
  ALERT_WEBHOOK_SECRET: `${secret} ${secret}`,
};

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
    [
      "a mail server alone",
      { ...database, SMTP_URL: "smtp://h" },
      "SMTP_URL, ALERT_MAIL_FROM and ALERT_MAIL_TO",
    ],
    ["receivers alone", { ...database, ALERT_MAIL_TO: "a@b" }, "SMTP_URL, ALERT_MAIL_FROM and ALERT_MAIL_TO"],
    ["a mail server that is none", { ...mail, SMTP_URL: "https://user:hunter2@h" }, "SMTP_URL (is smtp://"],
    ["a sender that is none", { ...mail, ALERT_MAIL_FROM: "hunter2" }, "ALERT_MAIL_FROM (is an address"],
    [
      "receivers that are none",
      { ...mail, ALERT_MAIL_TO: "a@b, hunter2" },
      "ALERT_MAIL_TO (is 1 to 20 addresses",
    ],
    ["a webhook without a secret", { ...database, ALERT_WEBHOOK_URL: "https://h" }, "ALERT_WEBHOOK_SECRET"],
    [
      "a short secret",
      { ...webhook, ALERT_WEBHOOK_SECRET: "whsec_hunter2" },
      "ALERT_WEBHOOK_SECRET (is whsec_",
    ],
    [
      "a webhook in the clear",
      { ...webhook, ALERT_WEBHOOK_URL: "http://h" },
      "ALERT_WEBHOOK_URL (the URL does not",
    ],
    [
      "a private webhook",
      { ...webhook, ALERT_WEBHOOK_URL: "https://10.1" },
      "ALERT_WEBHOOK_URL (the address is private",
    ],
    [
      "a switch that is neither",
      { ...webhook, ALERT_WEBHOOK_ALLOW_PRIVATE: "yes" },
      "ALERT_WEBHOOK_ALLOW_PRIVATE",
    ],
  ])("with %s is refused by name, and no value is quoted", (_, env, name) => {
    const read = () => readEnv(env);
    expect(read).toThrow(name);
    expect(read).not.toThrow(/hunter2|https:/);
  });

  test("holds lists as lists, and mail and webhooks to http and private addresses when that is allowed", () => {
    expect(readEnv(mail).ALERT_MAIL_TO).toEqual(["one@b.example", "two@b.example"]);
    expect(readEnv(webhook)).toMatchObject({
      ALERT_WEBHOOK_SECRET: [secret, secret],
      ALERT_WEBHOOK_ALLOW_PRIVATE: false,
    });
    const allowed = { ...webhook, ALERT_WEBHOOK_URL: "http://10.1", ALERT_WEBHOOK_ALLOW_PRIVATE: "true" };
    expect(readEnv(allowed).ALERT_WEBHOOK_ALLOW_PRIVATE).toBe(true);
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
