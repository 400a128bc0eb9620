import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { useApi } from "../support/api.ts";
import { useApiServer } from "../support/api-server.ts";
import { bundleCli } from "../support/cli.ts";
import { psqlFolder } from "../support/psql.ts";

const root = path.resolve(import.meta.dirname, "../..");
const api = useApi();
const server = useApiServer(api);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-pages-"));
const program = path.join(folder, "afterimage.mjs");
beforeAll(() => bundleCli(program));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** Runs every shell block of a page, in order, as if the local stack ran in the folder. */
async function runPage(page: string): Promise<string> {
  const text = fs.readFileSync(path.join(root, "docs", page), "utf8");
  const script = [...text.matchAll(/^```bash\n([^]*?)^```$/gm)]
    .map(([, block = ""]) => block)
    .join("\n")
    .replaceAll("http://localhost:3000", server.url)
    .replaceAll("npx afterimage", `node ${program}`)
    .replaceAll("curl ", "curl --silent --show-error --fail-with-body ");
  const dev = { apiKey: await api.mintKey(), ownerDatabaseUrl: api.db.url("admin") };
  fs.mkdirSync(path.join(folder, ".afterimage"), { recursive: true });
  fs.writeFileSync(path.join(folder, ".afterimage/dev.json"), JSON.stringify(dev));
  const env = {
    ...process.env,
    DATABASE_URL: api.db.url("app"),
    WORKER_DATABASE_URL: api.db.url("worker"),
    MIGRATE_DATABASE_URL: api.db.url("admin"),
    PATH: `${await psqlFolder(folder)}:${process.env.PATH}`,
  };
  const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], {
    cwd: folder,
    env,
  });
  return stdout;
}

test("docs/EVENTS.md works by copy and paste", async () => {
  const stdout = await runPage("EVENTS.md");
  expect(stdout).toMatch(/"ids":\["[-\da-f]{36}","[-\da-f]{36}"\]/);
  expect(stdout).toContain('"changedFields":["status"]');
  expect(stdout).not.toContain("member.added");
  const exported = fs.readFileSync(path.join(folder, "events.csv"), "utf8");
  expect(exported.match(/invoice\.paid|member\.added/g)).toHaveLength(3);
});

test("docs/ROW-HISTORY.md works by copy and paste, and what it says of its options holds", async () => {
  const stdout = await runPage("ROW-HISTORY.md");
  expect(stdout).toMatch(
    /"action" : "UPDATE".*"changedFields" : \["status"\].*"userId" : "alice", "requestId" : "req-1"/,
  );
  expect(stdout).toContain('"note": "[redacted]"');
  expect(stdout).not.toContain("4242");
  expect(stdout).toContain("1 record of 1 table checked: 0 breaks, 0 unexplained.");
});

test("the file for --as-events in docs/ROW-HISTORY.md is one", async () => {
  const text = fs.readFileSync(path.join(root, "docs/ROW-HISTORY.md"), "utf8");
  const [, asEvents = ""] = /```json\n([^]*?)```/.exec(text) ?? [];
  await api.db.rows(
    "admin",
    "create table public.memberships (workspace_id text, user_id text, primary key (workspace_id, user_id))",
  );
  await api.db.rows("admin", "select audit.track('public.memberships', as_events => $1)", [asEvents]);
  await api.db.rows("admin", "insert into public.memberships values ('ws-9', 'user-9')");
  const found = await api.call("GET", "/audit/events?workspaceId=ws-9&actionType=ADD_MEMBER");
  expect(found.body.items).toEqual([
    expect.objectContaining({ resourceType: "membership", resourceId: "user-9" }),
  ]);
});
