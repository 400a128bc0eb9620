import fs from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { envSchema, readEnv } from "../../lib/env.ts";

const text = fs.readFileSync(path.resolve(import.meta.dirname, "../../.env.example"), "utf8");

test(".env.example names the variables that lib/env.ts reads, and no other as ours", () => {
  const [ours = ""] = text.split("# --- Not read by us");
  expect(Object.keys(parseEnv(ours)).toSorted()).toEqual(Object.keys(envSchema.shape).toSorted());
});

test(".env.example sets nothing but defaults: with a database it is an environment as good as empty", () => {
  const database = { DATABASE_URL: "postgres://audit_app@db/app" };
  expect(readEnv({ ...parseEnv(text), ...database } as Record<string, string>)).toEqual(readEnv(database));
});
