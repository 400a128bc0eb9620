import { fork } from "node:child_process";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { WebSocket } from "ws";
import { neonPool } from "../../../db/drivers/neon.ts";
import { startNeon, type LocalNeon } from "../../../local/neon/index.ts";
import { useDatabase } from "../../support/database.ts";

const db = useDatabase();
const CLIENTS = 60;
const LARGE_BYTES = 8 * 1_024 * 1_024;
let neon: LocalNeon;

beforeAll(async () => {
  const server = new URL(inject("server").url);
  neon = await startNeon({ postgresHost: server.hostname, postgresPort: Number(server.port) });
});
afterAll(() => neon.stop());

function throughNeon(name: string, more: { password?: string } = {}): string {
  const url = Object.assign(new URL(db.url("app")), { host: neon.proxy, ...more });
  url.searchParams.set("application_name", name);
  return url.href;
}

const atServer = async (name: string) =>
  (
    await db.rows(
      "superuser",
      "select from pg_stat_activity where datname = current_database() and application_name = $1",
      [name],
    )
  ).length;

describe("Neon's wire", () => {
  test("logs in at a server that asks for SCRAM, and passes a refusal on", async () => {
    const [auth] = await db.rows(
      "superuser",
      "select rolpassword from pg_authid where rolname = 'audit_app'",
    );
    expect(auth?.rolpassword).toMatch(/^SCRAM-SHA-256\$/);
    const pool = neonPool({ connectionString: throughNeon("scram") }, neon.proxy);
    expect((await pool.query("select current_user as me")).rows).toEqual([{ me: "audit_app" }]);
    await pool.end();
    const wrong = neonPool({ connectionString: throughNeon("scram", { password: "wrong" }) }, neon.proxy);
    await expect(wrong.query("select 1")).rejects.toMatchObject({ code: "28P01" });
    await wrong.end();
  });

  test("works for a client that waits for each answer, as for one that sends its first query unasked", async () => {
    const pool = neonPool({ connectionString: throughNeon("patient") }, neon.proxy);
    const client = new pool.Client({ connectionString: throughNeon("patient") });
    client.neonConfig.pipelineConnect = false;
    await client.connect();
    expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  test("carries many connections at once, each to a session of its own", async () => {
    const pool = neonPool({ connectionString: throughNeon("many"), max: CLIENTS }, neon.proxy);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => pool.connect()));
    const pids = await Promise.all(
      clients.map(async (client) => (await client.query("select pg_backend_pid() as pid")).rows[0]?.pid),
    );
    expect(new Set(pids).size).toBe(CLIENTS);
    // Those of the tests before may still be closing.
    await expect.poll(() => neon.connections().open, { timeout: 10_000 }).toBe(CLIENTS);
    for (const client of clients) client.release();
    await pool.end();
    await expect.poll(() => atServer("many"), { timeout: 10_000 }).toBe(0);
    await expect.poll(() => neon.connections().open, { timeout: 10_000 }).toBe(0);
  });

  test("carries large values both ways, and listens", async () => {
    const pool = neonPool({ connectionString: throughNeon("large") }, neon.proxy);
    const large = "0123456789abcdef".repeat(LARGE_BYTES / 16);
    const { rows } = await pool.query("select $1::text as large, repeat('x', $2) as other", [
      large,
      LARGE_BYTES,
    ]);
    expect(rows[0]?.large === large).toBe(true);
    expect(rows[0]?.other).toHaveLength(LARGE_BYTES);
    const client = await pool.connect();
    const heard = new Promise((resolve) => client.on("notification", ({ payload }) => resolve(payload)));
    await client.query("listen news");
    await db.rows("superuser", "notify news, 'hello'");
    expect(await heard).toBe("hello");
    client.release();
    await pool.end();
  });

  test("always leads to the server it was started for, whatever address a client names", async () => {
    const other = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    let asked = 0;
    other.on("connection", () => asked++);
    const { port } = other.address() as net.AddressInfo;
    const pool = neonPool({ connectionString: throughNeon("named") }, neon.proxy);
    const client = new pool.Client({ connectionString: throughNeon("named") });
    client.neonConfig.wsProxy = () => `${neon.proxy}/v2?address=127.0.0.1:${port}`;
    await client.connect();
    expect((await client.query("select current_database() as name")).rows).toEqual([{ name: db.name }]);
    await client.end();
    expect(asked).toBe(0);
    other.close();
  });
});

describe("what is not Neon's wire", () => {
  test.each(["/", "/v1", "/v2/x", "/sql"])("is refused: a WebSocket at %s", async (at) => {
    const socket = new WebSocket(`ws://${neon.proxy}${at}`);
    const error = await new Promise<Error>((resolve) => socket.on("error", resolve));
    expect(error.message).toContain("404");
  });

  test.each(["/", "/v2", "/sql"])("is refused: HTTP at %s", async (at) => {
    expect((await fetch(`http://${neon.proxy}${at}`, { method: "POST", body: "{}" })).status).toBe(404);
  });

  test.each([
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["a request for TLS", Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])],
    ["a length below zero", Buffer.from([255, 255, 255, 255, 0, 3, 0, 0])],
    ["a query instead of a password", Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0, 81, 0, 0, 0, 5, 0])],
  ])("is refused: %s inside a WebSocket", async (_, bytes) => {
    const ours = "select from pg_stat_activity where datname = current_database() and usename = 'audit_app'";
    const before = await db.rows("superuser", ours);
    const socket = new WebSocket(`ws://${neon.proxy}/v2`);
    socket.once("open", () => socket.send(bytes));
    await new Promise((resolve) => socket.once("close", resolve));
    const after = await db.rows("superuser", ours);
    expect(after.length).toBeLessThanOrEqual(before.length);
  });
});

describe("peers that end", () => {
  test("a killed client leaves neither a session nor a socket", async () => {
    const file = path.join(import.meta.dirname, "dying-client.ts");
    const client = fork(file, [throughNeon("killed")], { execArgv: ["--import", "tsx"] });
    await new Promise((resolve) => client.once("message", resolve));
    expect(await atServer("killed")).toBe(1);
    client.kill("SIGKILL");
    await expect.poll(() => atServer("killed"), { timeout: 10_000 }).toBe(0);
    await expect.poll(() => neon.connections().open, { timeout: 10_000 }).toBe(0);
  });

  test("a client that goes before it has logged in leaves nothing", async () => {
    const sockets = Array.from({ length: 10 }, () => new WebSocket(`ws://${neon.proxy}/v2`));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("open", resolve))));
    await expect.poll(() => neon.connections().open, { timeout: 10_000 }).toBe(10);
    for (const socket of sockets) socket.terminate();
    await expect.poll(() => neon.connections().open, { timeout: 10_000 }).toBe(0);
  });

  test("a session that the server ends is told why, and the next one works", async () => {
    const pool = neonPool({ connectionString: throughNeon("ended"), max: 1 }, neon.proxy);
    pool.on("error", () => undefined);
    const running = pool.query("select pg_sleep(20)").catch((error: unknown) => error);
    await expect.poll(() => atServer("ended"), { timeout: 10_000 }).toBe(1);
    await db.rows(
      "superuser",
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'ended'`,
    );
    expect(await running).toMatchObject({ code: "57P01" });
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    await pool.end();
  });
});
