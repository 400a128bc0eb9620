import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { createMailer } from "../../lib/mail.ts";
import { isAlive, waitForExit } from "../../local/processes.ts";
import { devFilePath, readDevFile, type DevFile } from "../../local/dev-file.ts";
import { useDatabase } from "../support/database.ts";
import { useStack, type RunningStack } from "../support/stack.ts";

const ORDINARY_USER = { uid: 65_534, gid: 65_534 };
const MAIL = { id: "1", to: "operator@localhost", subject: "A schedule is late", text: "Run it." };
/** Two starts with time to spare, on a machine that does other things as well. */
const TIMEOUT_MS = 120_000;
const isRoot = process.getuid?.() === 0;

const call = (dev: DevFile, route: string, init: RequestInit = {}) =>
  fetch(`${dev.url}/api${route}`, {
    ...init,
    headers: { authorization: `Bearer ${dev.apiKey}`, "content-type": "application/json" },
  });

async function storeEvent(dev: DevFile, workspaceId: string): Promise<string> {
  const body = {
    actionType: "TEST_EVENT",
    resourceType: "workspace",
    resourceId: "ws-123",
    workspaceId,
    createdByUserId: "user-123",
  };
  const response = await call(dev, "/audit/log", { method: "POST", body: JSON.stringify(body) });
  expect(response.status).toBe(201);
  return ((await response.json()) as { id: string }).id;
}

async function allGone(pids: number[]): Promise<boolean> {
  const gone = await Promise.all(pids.map((pid) => waitForExit(pid, 15_000)));
  return gone.every(Boolean);
}

const stack = useStack();

describe("npm start", { timeout: TIMEOUT_MS }, () => {
  const db = useDatabase();
  let eventId: string;
  let running: RunningStack;

  test("serves the API on real parts, and says how to reach each in a file for its owner only", async () => {
    const { dev, end, output } = await stack.start(["--port", "0"]);
    expect(output()).toContain(dev.apiKey);
    expect(output()).toContain(path.join(path.basename(stack.dataDir), "mail"));
    await createMailer({ url: dev.smtpUrl ?? "", from: "a@localhost" }).send(MAIL);
    expect(fs.readdirSync(dev.mailDir ?? "")).toHaveLength(1);
    expect(fs.statSync(path.join(stack.dataDir, "dev.json")).mode & 0o777).toBe(0o600);
    expect(Object.keys(dev).toSorted()).toEqual([
      "apiKey",
      "databaseUrl",
      "inngestUrl",
      "mailDir",
      "ownerDatabaseUrl",
      "pids",
      "redisToken",
      "redisUrl",
      "smtpUrl",
      "superuserDatabaseUrl",
      "url",
      "workerDatabaseUrl",
    ]);
    eventId = await storeEvent(dev, "ws-1");
    const ready = (await (await call(dev, "/ready")).json()) as { status: string; checks: unknown };
    expect(ready.status, JSON.stringify(ready.checks)).toBe("ok");
    expect(await rolesOf(dev)).toEqual(["audit_app", "audit_worker", "afterimage_admin", "postgres"]);
    expect(await end("SIGINT")).toBe(0);
    expect(await allGone(Object.values(dev.pids))).toBe(true);
  });

  test("after kill -9 of everything the next start recovers with all that was acknowledged", async () => {
    const first = await stack.start(["--port", "0"]);
    expect((await call(first.dev, `/audit/events/${eventId}`)).status).toBe(200);
    const stored = await storeEvent(first.dev, "ws-2");
    const pids = Object.values(first.dev.pids);
    expect(pids.every(isAlive)).toBe(true);
    for (const pid of pids) process.kill(pid, "SIGKILL");
    running = await stack.start(["--port", "0"]);
    expect(running.dev.apiKey).toBe(first.dev.apiKey);
    expect((await call(running.dev, `/audit/events/${stored}`)).status).toBe(200);
  });

  test("after kill -9 of the launcher alone its children end or are ended by the next start", async () => {
    const first = running;
    process.kill(first.dev.pids.start as number, "SIGKILL");
    running = await stack.start(["--port", "0"]);
    expect(await allGone(Object.values(first.dev.pids))).toBe(true);
    await storeEvent(running.dev, "ws-3");
  });

  test("SIGTERM ends every child as Ctrl-C does", async () => {
    expect(await running.end("SIGTERM")).toBe(0);
    expect(await allGone(Object.values(running.dev.pids))).toBe(true);
  });

  test("of two starts at the same moment one runs, undisturbed by the other", async () => {
    const start = () => stack.start(["--port", "0", "--no-inngest"]);
    const starts = await Promise.allSettled([start(), start()]);
    const [one] = starts.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    const [refused] = starts.flatMap((each) => (each.status === "rejected" ? [String(each.reason)] : []));
    expect(refused).toContain("runs already on this folder");
    expect(one?.output()).not.toContain("starting it again");
    expect(readDevFile(stack.dataDir)).toEqual(one?.dev);
    await storeEvent(one?.dev as DevFile, "ws-4");
    await one?.end("SIGINT");
  });

  test("on a system without ps and without redis-server it recovers all the same", async () => {
    const start = () => stack.start(["--port", "0"], { env: { PATH: "" } });
    const first = await start();
    expect(first.output()).toContain("in-memory stand-in");
    process.kill(first.dev.pids.start as number, "SIGKILL");
    const second = await start();
    await storeEvent(second.dev, "ws-6");
    await second.end("SIGINT");
  });

  test("Ctrl-C while it starts ends it without a word of failure", async () => {
    await expect(stack.start(["--port", "0"], { interrupt: true })).rejects.toThrow(
      /^ended with 0:[^]*Stopping …\n$/,
    );
  });

  test("with a database of your own that has no schema it says what to do", async () => {
    const url = new URL(db.url("superuser"));
    url.pathname = "/postgres";
    await expect(stack.start(["--port", "0"], { env: { DATABASE_URL: url.href } })).rejects.toThrow(
      /npx afterimage migrate/,
    );
    const away = { env: { DATABASE_URL: "postgresql://nobody@127.0.0.1:9/none" } };
    await expect(stack.start(["--port", "0"], away)).rejects.toThrow(/cannot be used \(ECONNREFUSED\)/);
  });
});

describe("npm start with parts that die", { timeout: TIMEOUT_MS }, () => {
  let running: RunningStack;
  let eventId: string;

  beforeAll(async () => {
    running = await stack.start(["--port", "0", "--no-inngest"]);
    eventId = await storeEvent(running.dev, "ws-1");
  }, TIMEOUT_MS);

  test("starts a part that died again", async () => {
    const { dev } = running;
    expect(dev.inngestUrl).toBeNull();
    process.kill(dev.pids.api as number, "SIGKILL");
    process.kill(dev.pids.postgres as number, "SIGKILL");
    process.kill(dev.pids.mail as number, "SIGKILL");
    await expect.poll(() => statusOf(dev, `/audit/events/${eventId}`), { timeout: 20_000 }).toBe(200);
    const mailer = createMailer({ url: dev.smtpUrl ?? "", from: "a@localhost" });
    const send = () =>
      mailer.send(MAIL).then(
        () => "sent",
        (error: unknown) => String(error),
      );
    await expect.poll(send, { timeout: 20_000 }).toBe("sent");
  });

  test("tries a part whose restart fails again until it works", async () => {
    const { dev, end, output } = running;
    const squatter = await takePortOfApi(stack.dataDir, Number(new URL(dev.url).port));
    await expect.poll(output, { timeout: 20_000 }).toContain("api did not start");
    await new Promise((resolve) => squatter.close(resolve));
    await expect.poll(() => statusOf(dev, "/health"), { timeout: 30_000 }).toBe(200);
    await end("SIGINT");
  });
});

describe("npm start where things are in its way", { timeout: TIMEOUT_MS }, () => {
  let running: RunningStack;
  let port: number;

  beforeAll(async () => {
    const taken = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    ({ port } = taken.address() as net.AddressInfo);
    fs.writeFileSync(devFilePath(stack.dataDir), '{"url": "http');
    const env = {
      SMTP_URL: "smtp://127.0.0.1:9",
      ALERT_MAIL_FROM: "a@localhost",
      ALERT_MAIL_TO: "b@localhost",
    };
    running = await stack.start(["--port", String(port), "--no-inngest"], { env });
    return async () => {
      await running.end("SIGINT");
      taken.close();
    };
  }, TIMEOUT_MS);

  test("takes another port when the wanted one is in use, and refuses to run twice on one folder", async () => {
    const { dev, output } = running;
    expect(new URL(dev.url).port).not.toBe(String(port));
    expect(output()).toContain(`port ${port} was taken`);
    await expect(stack.start(["--port", "0"])).rejects.toThrow(/runs already on this folder/);
    expect((await call(dev, "/health")).status).toBe(200);
  });

  test("starts over a dev.json that was cut off", async () => {
    expect(readDevFile(stack.dataDir)).toEqual(running.dev);
    await storeEvent(running.dev, "ws-5");
  });

  test("starts no SMTP server beside one of your own", () => {
    const { dev, output } = running;
    expect([dev.smtpUrl, dev.mailDir, dev.pids.mail]).toEqual([null, null, undefined]);
    expect(output()).toContain("server of SMTP_URL");
  });
});

describe.skipIf(!isRoot)("npm start as an ordinary user", { timeout: TIMEOUT_MS }, () => {
  const own = useStack();

  test("serves the API as under root", async () => {
    fs.chownSync(own.dataDir, ORDINARY_USER.uid, ORDINARY_USER.gid);
    const { dev, end } = await own.start(["--port", "0"], {
      ...ORDINARY_USER,
      env: { HOME: own.dataDir },
    });
    await storeEvent(dev, "ws-1");
    await end("SIGINT");
  });
});

/** The status of an answer, or 0 where nobody answers. */
const statusOf = (dev: DevFile, route: string) =>
  call(dev, route).then(
    ({ status }) => status,
    () => 0,
  );

/** Kills the API until its port can be taken before it is back. */
async function takePortOfApi(dataDir: string, port: number): Promise<net.Server> {
  for (;;) {
    const pid = readDevFile(dataDir)?.pids.api ?? 0;
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
    await waitForExit(pid, 5_000);
    const server = net.createServer();
    const isTaken = new Promise<boolean>((resolve) => {
      server.once("listening", () => resolve(true)).once("error", () => resolve(false));
    });
    server.listen(port, "127.0.0.1");
    if (await isTaken) return server;
  }
}

async function rolesOf(dev: DevFile): Promise<string[]> {
  const urls = [dev.databaseUrl, dev.workerDatabaseUrl, dev.ownerDatabaseUrl, dev.superuserDatabaseUrl];
  return Promise.all(
    urls.map(async (url) => {
      const client = new pg.Client({ connectionString: url ?? "" });
      await client.connect();
      const { rows } = await client.query<{ role: string }>("select current_user as role");
      await client.end();
      return rows[0]?.role ?? "";
    }),
  );
}
