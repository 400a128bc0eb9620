import { expect, test } from "vitest";
import { useCli } from "../support/cli.ts";
import { newId } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { startProxy } from "../support/proxy.ts";
import { kept, useFiles } from "./import-support.ts";

const LINES = 600;
const WAITING =
  "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
const CANARY = "what somebody thought";
const db = useDatabase();
const afterimage = useCli(db);
const { write } = useFiles();

test("an import whose connection is cut says so in one line, without a word of what it was storing, and goes on", async () => {
  const projectId = newId("proj");
  const file = write(
    Array.from({ length: LINES }, (_, n) => kept(`${projectId}-${n}`, { projectId, reasoning: [CANARY] })),
  );
  const proxy = await startProxy(Number(new URL(db.url("app")).port));
  const blocker = await db.pool("superuser").connect();
  try {
    // The first batch is sent, and waits.
    await blocker.query("begin; lock table audit.audit_trails in share row exclusive mode");
    const running = afterimage(["import", "trails", file], { DATABASE_URL: proxy.through(db.url("app")) });
    await expect.poll(() => db.rows("superuser", WAITING), { timeout: 10_000 }).toHaveLength(1);
    await proxy.cut();
    const { code, stdout, stderr } = await running;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^afterimage: The connection to the database was lost.*same command\.\n$/);
    expect(stdout + stderr).not.toContain(CANARY);
  } finally {
    await blocker.query("rollback");
    blocker.release();
    await proxy.close();
  }
  const { code, stdout } = await afterimage(["import", "trails", file]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(`${LINES} lines`) });
});

test("keys list says that the database is away, and not what it would have asked", async () => {
  const away = { DATABASE_URL: "postgresql://audit_app@127.0.0.1:9/none" };
  expect(await afterimage(["keys", "list"], away)).toEqual({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^afterimage: Nothing answers at the database's address.*npm start\n$/),
  });
});

test.each([[["import", "trails"]], [["import", "events"]], [["compare"]]])(
  "%j of a file that is not there says so, and from where it looked",
  async (args) => {
    expect(await afterimage([...args, "nope.ndjson"])).toEqual({
      code: 1,
      stdout: "",
      stderr: `afterimage: There is no such file: nope.ndjson (from ${process.cwd()})\n`,
    });
  },
);
