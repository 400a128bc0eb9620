import { beforeAll, expect, test, vi } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { checkReadiness } from "../../../services/readiness/check.ts";
import { useApi } from "../../support/api.ts";

const api = useApi();

beforeAll(async () => {
  await api.db.rows(
    "admin",
    'create table public.venues (id int primary key, "Town" text, pin text, note text)',
  );
  await api.db.rows(
    "admin",
    "select audit.track('public.venues'::regclass, '{pin}', '{note}', '{}', 'block')",
  );
});

type Tables = Parameters<typeof defineConfig>[0]["tables"];
const check = async (tables: Tables, forOperator = false) => {
  const { app, worker, quiet } = api.runtime;
  const deployment = { quiet, channels: [], config: defineConfig({ tables }), forOperator };
  const { checks } = await checkReadiness(app.db, worker.db, deployment);
  return checks.find((one) => one.name === "configuration");
};

test("a configuration that fits its tracked tables is ok", async () => {
  expect(await check({ "public.venues": { cache: ["v:{id}:{Town}"] } })).toEqual({
    name: "configuration",
    status: "ok",
    detail: "every table and column that it names is tracked",
  });
});

test("what the history does not hold is a warning, named to the operator and counted for everybody", async () => {
  const tables: Tables = {
    "public.venues": { cache: ["v:{town}", "v:{pin}", "v:{note}"] },
    "public.unknown": {},
  };
  expect(await check(tables)).toMatchObject({
    status: "warn",
    detail: "names that fit no tracked table or column: 4.",
  });
  const named = (await check(tables, true))?.detail;
  for (const what of ["column town", "column pin", "column note", "public.unknown is no tracked table"])
    expect(named).toContain(what);
});

test("a secret that is not set is a warning that says where to set it", async () => {
  const jobs = [{ url: "https://example.com", secretEnv: "TEST_SYNC_SECRET", data: {} }];
  const tables: Tables = { "public.venues": { jobs } };
  expect(await check(tables)).toMatchObject({
    status: "warn",
    detail: "variables that are not set: 1.",
    action: "Set in the deployment every variable that afterimage.config.ts names.",
  });
  vi.stubEnv("TEST_SYNC_SECRET", "s");
  expect(await check(tables)).toMatchObject({ status: "ok" });
  vi.unstubAllEnvs();
});

test("/ready looks at the configuration that is deployed", async () => {
  const { body } = await api.call("GET", "/ready");
  expect(body.checks).toContainEqual(expect.objectContaining({ name: "configuration", status: "ok" }));
});
