import { fork, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { neonPool } from "../../../db/drivers/neon.ts";
import { startNeon, type LocalNeon } from "../../../local/neon/index.ts";
import { startPostgres, type PostgresServer } from "../../../local/postgres/index.ts";
import { isAlive, waitForExit } from "../../../local/processes.ts";

const CLIENTS = 5;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-neon-"));
fs.chmodSync(folder, 0o755);
let postgres: PostgresServer;
let neon: LocalNeon;

beforeAll(async () => {
  postgres = await startPostgres({ dataDir: folder, settings: { fsync: "off" } });
  neon = await startNeon({ postgresPort: postgres.port });
});
afterAll(async () => {
  await neon.stop();
  await postgres.stop();
  fs.rmSync(folder, { recursive: true });
});

const urlAt = (proxy: string) => Object.assign(new URL(postgres.url()), { host: proxy }).href;

function openPool(proxy: string) {
  const pool = neonPool({ connectionString: urlAt(proxy), max: CLIENTS }, proxy);
  pool.on("error", () => undefined);
  return pool;
}

test("a killed Postgres ends every socket, and clients work again when it is back", async () => {
  const pool = openPool(neon.proxy);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => pool.connect()));
  const ends = clients.map((client) => {
    client.on("error", () => undefined);
    return client.query("select pg_sleep(60)").catch((error: unknown) => error);
  });
  await expect.poll(() => neon.connections().open, { timeout: 10_000 }).toBe(CLIENTS);
  process.kill(postgres.pid, "SIGKILL");
  for (const end of await Promise.all(ends)) expect(end).toBeInstanceOf(Error);
  for (const client of clients) client.release(true);
  await expect.poll(() => neon.connections().open, { timeout: 10_000 }).toBe(0);
  const works = () =>
    pool.query("select 1 as one").then(
      ({ rows }) => rows[0]?.one,
      () => null,
    );
  await expect.poll(works, { timeout: 20_000 }).toBe(1);
  await pool.end();
});

test("stopping it ends its clients", async () => {
  const other = await startNeon({ postgresPort: postgres.port });
  const pool = openPool(other.proxy);
  const running = pool.query("select pg_sleep(60)").catch((error: unknown) => error);
  await expect.poll(() => other.connections().open, { timeout: 10_000 }).toBe(1);
  await other.stop();
  expect(await running).toMatchObject({ message: expect.stringMatching(/^Connection terminated/) });
  await pool.end();
});

test("it takes another port when the wanted one is in use", async () => {
  const other = await startNeon({ postgresPort: postgres.port, port: neon.port });
  expect(other.port).not.toBe(neon.port);
  await other.stop();
});

async function startChild(): Promise<{ child: ChildProcess; proxy: string }> {
  const file = path.resolve(import.meta.dirname, "../../../local/neon/main.ts");
  const args = ["--postgres", `127.0.0.1:${postgres.port}`];
  const child = fork(file, args, {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const line = await new Promise<Buffer>((resolve) => child.stdout?.once("data", resolve));
  return { child, ...(JSON.parse(line.toString()) as { proxy: string }) };
}

test.each([
  ["its parent goes", (child: ChildProcess) => child.disconnect()],
  ["it is told to", (child: ChildProcess) => void child.kill("SIGTERM")],
])("as a process of its own it serves until %s", async (_, end) => {
  const { child, proxy } = await startChild();
  const pool = openPool(proxy);
  expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  end(child);
  expect(await waitForExit(child.pid as number, 5_000)).toBe(true);
  expect(isAlive(child.pid as number)).toBe(false);
  await pool.end();
});
