import { serve, type ServerType } from "@hono/node-server";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { newId, useApi } from "../support/api.ts";

const api = useApi();
const ROWS = 6_000;
const ws = newId("ws");
let server: ServerType;

beforeAll(async () => {
  server = serve({ fetch: api.app.fetch, hostname: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  await api.db.rows(
    "app",
    `insert into audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id, metadata)
     select $1, 'u', 'TEST_EVENT', 'thing', i::text, jsonb_build_object('fill', repeat('x', 8000))
     from generate_series(1, $2::int) i`,
    [ws, ROWS],
  );
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

async function open(): Promise<http.IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  const path = `/api/audit/events/export?format=ndjson&workspaceId=${ws}&actionType=TEST_EVENT`;
  const headers = { authorization: `Bearer ${await api.mintKey()}` };
  return new Promise((resolve, reject) => {
    http.get({ host: "127.0.0.1", port, path, headers, agent: false }, resolve).on("error", reject);
  });
}

/** Reads one piece and then nothing until the server has stopped to ask the database. */
async function openAndPause(): Promise<http.IncomingMessage> {
  const response = await open();
  await new Promise((resolve) => response.once("data", resolve));
  response.pause();
  response.on("error", () => undefined);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await expect.poll(running, { timeout: 10_000 }).toBe(0);
  return response;
}

const running = async () =>
  (
    await api.db.rows(
      "superuser",
      "select from pg_stat_activity where datname = current_database() and usename = 'audit_app' and state <> 'idle'",
    )
  ).length;

/** What is logged as broken off when reading fails from here on, while `work` runs. */
async function brokenOff(work: () => Promise<unknown>): Promise<number> {
  const from = api.logs.length;
  await api.db.rows("superuser", "revoke select on audit.every_event from audit_app");
  try {
    await work();
  } finally {
    await api.db.rows("superuser", "grant select on audit.every_event to audit_app");
  }
  return api.logs.slice(from).filter((line) => line.includes("export broke off")).length;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a client that reads all gets all, over a real connection", async () => {
  let text = "";
  for await (const piece of await open()) text += String(piece);
  expect(text.trim().split("\n")).toHaveLength(ROWS);
});

test("a client that does not read holds the export up, and sees it break off when it fails", async () => {
  const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const response = await openAndPause();
  const ended = new Promise<boolean>((resolve) => response.once("close", () => resolve(response.complete)));
  expect(
    await brokenOff(async () => {
      response.resume();
      expect(await ended).toBe(false);
    }),
  ).toBe(1);
  expect(inspect(printed.mock.calls, { depth: null })).not.toMatch(new RegExp(`${ws}|select|params`));
  printed.mockRestore();
});

test("a client that hangs up ends its export: nothing more is read for it", async () => {
  const response = await openAndPause();
  response.destroy();
  await wait(200);
  expect(await brokenOff(() => wait(1_500))).toBe(0);
  const inUse = () => {
    const { total, idle, waiting } = api.runtime.app.connections();
    return [total - idle, waiting];
  };
  await expect.poll(inUse, { timeout: 10_000 }).toEqual([0, 0]);
});
