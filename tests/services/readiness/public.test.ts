import { randomBytes } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { checkReadiness, type Deployment } from "../../../services/readiness/check.ts";
import { connect } from "../../../db/client.ts";
import { useApi } from "../../support/api.ts";

/** Stands in the names of the application's tables, columns, variables and channels. */
const CANARY = "canary";
const api = useApi({
  ALERT_WEBHOOK_URL: `https://${CANARY}.example.com/alerts`,
  ALERT_WEBHOOK_SECRET: `whsec_${randomBytes(32).toString("base64")}`,
});
const sql = (text: string) => api.db.rows("admin", text);
const table = `app.${CANARY}_guests`;

const config = defineConfig({
  tables: {
    [table]: {
      cache: [`v:{${CANARY}_column}`],
      jobs: [{ url: `https://${CANARY}.example.com`, secretEnv: "CANARY_SECRET", data: {} }],
    },
  },
});
const ask = async (forOperator: boolean, more: Partial<Deployment> = {}) => {
  const { app, worker } = api.runtime;
  const deployment = { quiet: false, channels: [`webhook:${CANARY}`], config, forOperator, ...more };
  return (await checkReadiness(app.db, worker.db, deployment)).checks;
};
const textOf = async (forOperator: boolean, name: string, more?: Partial<Deployment>) => {
  const found = (await ask(forOperator, more)).find((one) => one.name === name);
  expect(found?.status).toMatch(/warn|fail/);
  return JSON.stringify(found).toLowerCase();
};

beforeAll(async () => {
  await sql(`create schema app; create table ${table} (id int primary key, v text)`);
  await sql(`select audit.track('${table}')`);
  await sql(`insert into ${table} values (1, 'a'); update ${table} set v = 'b'`);
});

/** What is wrong, how it is mended, and which check says so. */
const faults: [name: string, check: string, spoil: string, mend: string][] = [
  [
    "a history that breaks",
    "history",
    `begin; alter table ${table} disable trigger user; update ${table} set v = 'c';
     alter table ${table} enable trigger user; commit`,
    `insert into audit.capture_gaps
     values ('${table}'::regclass, 'app', '${CANARY}_guests', 'off', now() - interval '1 hour', now(), null, 'x')`,
  ],
  [
    "triggers that are off",
    "capture",
    `alter table ${table} disable trigger audit_update`,
    `alter table ${table} enable trigger audit_update`,
  ],
  [
    "capture that is switched off",
    "capture",
    "select audit.switch_capture(false)",
    "select audit.switch_capture(true)",
  ],
  [
    "a partition that is not recorded",
    "capture",
    `create table app.${CANARY}_split (id int primary key) partition by range (id);
     select audit.track('app.${CANARY}_split');
     create table app.${CANARY}_split_1 partition of app.${CANARY}_split for values from (1) to (9)`,
    `select audit.untrack('app.${CANARY}_split')`,
  ],
  [
    "a table that the workflows may not read",
    "history",
    `revoke select on ${table} from audit_worker`,
    `grant select on ${table} to audit_worker`,
  ],
  ["a configuration that does not fit", "configuration", "select 1", "select 1"],
  [
    "a channel that is disabled",
    "channels",
    `insert into audit.alert_channels (channel, disabled_at) values ('webhook:${CANARY}', now())`,
    "delete from audit.alert_channels",
  ],
];

test.each(faults)("%s is named to the operator alone (%s)", async (_, check, spoil, mend) => {
  await api.db.rows("superuser", spoil);
  try {
    expect(await textOf(true, check)).toContain(CANARY);
    expect(JSON.stringify(await ask(false)).toLowerCase()).not.toContain(CANARY);
    const { body } = await api.call("GET", "/ready", { key: null });
    expect(JSON.stringify(body).toLowerCase()).not.toContain(CANARY);
  } finally {
    await api.db.rows("superuser", mend);
  }
});

test("a change that could not be recorded is counted for everybody, with its table for the operator", async () => {
  await api.db.asOwner(
    `insert into capture_gaps values ('${table}'::regclass, 'app', '${CANARY}_guests', 'error', now(), now(), '42P01', 'x')`,
  );
  expect(await textOf(true, "capture")).toContain(table);
  const told = await textOf(false, "capture");
  expect(told).toContain("1 table");
  expect(told).not.toContain(CANARY);
  await api.db.asOwner("delete from capture_gaps");
});

test("the role that a deployment logs in as, and why a check failed, are the operator's", async () => {
  const { app } = api.runtime;
  const login = async (forOperator: boolean) => {
    const { checks } = await checkReadiness(app.db, app.db, { quiet: true, channels: [], forOperator });
    return checks.find((one) => one.name === "roles");
  };
  expect((await login(true))?.detail).toContain("audit_app");
  expect((await login(false))?.detail).toMatch(/^API and workflows log in as the same role/);
  const away = connect("postgresql://nobody:nothing@127.0.0.1:9/none");
  try {
    const failed = async (forOperator: boolean) =>
      (await checkReadiness(away.db, away.db, { quiet: true, channels: [], forOperator })).checks;
    expect(await failed(true)).toMatchObject([{ detail: expect.stringContaining("ECONNREFUSED") }]);
    expect(await failed(false)).toMatchObject([
      { status: "fail", detail: "The check itself failed; the database did not answer it." },
    ]);
  } finally {
    await away.close();
  }
});
