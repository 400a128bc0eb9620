import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, expect, test } from "vitest";
import { noFault } from "../support/api-server.ts";
import { newId } from "../support/api.ts";
import { useClients } from "./support.ts";

const { api, server } = useClients();
afterEach(() => {
  server.fault = noFault;
});
const app = path.join(import.meta.dirname, "exiting-app.ts");
let API_KEY: string;
beforeAll(async () => {
  API_KEY = await api.mintKey();
});

async function run(url: string, how: "end" | "exit" | "full", WORKSPACE: string): Promise<string[]> {
  const options = { env: { ...process.env, API_KEY, WORKSPACE } };
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", app, url, how], options);
  return stdout.trim().split("\n");
}

test("a process that has nothing else to do sends what is buffered before it ends", async () => {
  const workspaceId = newId("ws");
  const [logged, ...more] = await run(server.url, "end", workspaceId);
  expect(more).toEqual([]);
  const rows = await api.db.rows("app", "select event_id from audit_events where workspace_id = $1", [
    workspaceId,
  ]);
  expect(rows).toEqual([{ event_id: logged?.slice("logged ".length) }]);
});

test("a process in which a caller waits for room goes on until it has it", async () => {
  const workspaceId = newId("ws");
  let requests = 0;
  server.fault = async (request, through) =>
    requests++ % 2 === 0 ? new Response(null, { status: 503 }) : through(request);
  const lines = await run(server.url, "full", workspaceId);
  expect(lines.map((line) => line.split(" ")[0])).toEqual(["logged", "logged", "logged", "logged"]);
  const [row] = await api.db.rows(
    "app",
    "select count(*)::int as stored from audit_events where workspace_id = $1 and action_type = 'APP_ENDED'",
    [workspaceId],
  );
  expect(row).toEqual({ stored: 4 });
});

test.each([
  ["end", "http://127.0.0.1:1"],
  ["exit", "http://127.0.0.1:1"],
] as const)("what cannot be sent when a process ends (%s) goes to onDropped", async (how, url) => {
  const [logged, dropped] = await run(url, how, newId("ws"));
  expect(dropped).toBe(`dropped ${logged?.slice("logged ".length)} exit`);
});
