import { describe, expect, test } from "vitest";
import { installedCli, useCli } from "../support/cli.ts";
import { useDatabase } from "../support/database.ts";

const db = useDatabase();
const afterimage = useCli(db);

test("every command explains itself, in lines that fit a terminal of 80 columns", async () => {
  const subcommands = [
    ["maintenance", "reindex"],
    ["history", "verify"],
    ["retention", "preview"],
  ];
  const whole = await afterimage(["--help"]);
  const commands = [...whole.stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => [name]);
  expect(commands.length).toBeGreaterThan(10);
  const others = await Promise.all(
    [...commands, ...subcommands].map((args) => afterimage([...args, "--help"])),
  );
  for (const { code, stdout } of [whole, ...others]) {
    expect(code).toBe(0);
    expect(stdout).toContain("Usage: afterimage");
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  }
});

const NOBODYS = "00000000-0000-7000-8000-000000000000";

describe("afterimage keys", () => {
  test("a key is made, listed, rotated and revoked, and its secret is shown once", async () => {
    const created = await afterimage([
      "keys",
      "create",
      "--name",
      "chat app",
      "--user",
      "alice",
      "--scopes",
      "events:read",
    ]);
    expect(created).toMatchObject({ code: 0 });
    const secret = /afi_[\w-]{43}/.exec(created.stdout)?.[0];
    expect(secret).toBeDefined();
    const listed = await afterimage(["keys", "list", "--user", "alice"]);
    expect(listed.stdout).toContain("chat app");
    expect(listed.stdout).not.toContain(secret);
    const [key] = await db.rows<{ id: string }>("app", "select id from api_keys where user_id = 'alice'");
    const rotated = await afterimage(["keys", "rotate", key?.id ?? "", "--overlap-hours", "1"]);
    expect(/afi_[\w-]{43}/.exec(rotated.stdout)?.[0]).not.toBe(secret);
    const revoked = await afterimage(["keys", "revoke", key?.id ?? ""]);
    expect(revoked.stdout).toMatch(/^Revoked afi_/);
    const [row] = await db.rows("app", "select revoked_at, created_by_user_id from api_keys where id = $1", [
      key?.id,
    ]);
    expect(row?.revoked_at).not.toBeNull();
    expect(row?.created_by_user_id).toMatch(/^operator:/);
    const actions = await db.rows("app", "select action_type from audit_events order by created_at");
    expect(actions.map((one) => one.action_type)).toEqual([
      "CREATE_API_KEY",
      "ROTATE_API_KEY",
      "REVOKE_API_KEY",
    ]);
  });

  test.each([
    [["keys", "create", "--name", "x", "--user", "bob", "--scopes", "everything"], /scopes/],
    [["keys", "create", "--name", "x", "--user", "bob", "--expires", "yesterday"], /expiresAt/],
    [["keys", "create", "--user", "bob"], /--name/],
    [["keys", "revoke", "not-an-id"], /id: must be a UUID, as npx afterimage keys list shows it$/m],
    [["keys", "revoke", NOBODYS], /no key with this id: look with npx afterimage keys list$/m],
    [["keys", "rotate", NOBODYS], /no key with this id: look with/],
    [["keys", "list", "--limit", "0"], /limit/],
    [["nonsense"], /unknown command/],
  ])("%j is refused with a reason and changes nothing", async (args, reason) => {
    const before = await db.rows("app", "select count(*) from api_keys");
    const { code, stderr } = await afterimage(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(reason);
    expect(stderr).not.toContain("    at ");
    expect(await db.rows("app", "select count(*) from api_keys")).toEqual(before);
  });
});

describe("afterimage doctor", () => {
  test("says in words that all is well, and what only the deployment knows", async () => {
    const { code, stdout } = await afterimage(["doctor"]);
    expect({ code, rest: stdout.split("\n").filter((line) => !line.startsWith("ok")) }).toEqual({
      code: 0,
      rest: [
        "skip  cold files: only the deployment knows whether their storage answers",
        "skip  channels: only the deployment knows which are set",
        "skip  configuration: only the deployment knows whether the variables that it names are set",
        "      → Ask GET /api/ready of the deployment.",
        "",
      ],
    });
    expect(stdout).not.toContain("none is disabled");
  });

  test("names a guard that was switched off, says what to do, and ends with 1", async () => {
    const [month] = await db.rows("app", "select newest_partition as name from partition_schedule");
    const trigger = `alter table audit.${month?.name}`;
    await db.asOwner(`${trigger} disable trigger audit_events_immutable_statement`);
    const { code, stdout } = await afterimage(["doctor"]);
    await db.asOwner(`${trigger} enable trigger audit_events_immutable_statement`);
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`FAIL  guards: .*${month?.name}`));
    expect(stdout).toContain("→");
  });

  test("says what to do when the database is away", async () => {
    const away = { DATABASE_URL: "postgresql://audit_app@127.0.0.1:9/none", WORKER_DATABASE_URL: "" };
    const { code, stdout } = await afterimage(["doctor"], away);
    expect(code).toBe(1);
    expect(stdout).toMatch(/FAIL  DATABASE_URL: Nothing answers at the database's address/);
    expect(stdout).toMatch(/FAIL  database: .*\n\s+→ Check DATABASE_URL/);
  });

  test("says which password is wrong", async () => {
    const WORKER_DATABASE_URL = Object.assign(new URL(db.url("worker")), { password: "wrong" }).href;
    const { code, stdout } = await afterimage(["doctor", "--json"], { WORKER_DATABASE_URL });
    const answer = JSON.parse(stdout) as { status: string; checks: unknown[]; skipped: object };
    expect({ code, status: answer.status }).toEqual({ code: 1, status: "fail" });
    expect(answer.checks[0]).toEqual({
      name: "WORKER_DATABASE_URL",
      status: "fail",
      detail: expect.stringMatching(/28P01.*audit_worker.*Check user and password/),
    });
    expect(Object.keys(answer.skipped)).toContain("cold files");
  });
});

describe("afterimage migrate", () => {
  test("says that there is nothing to do", async () => {
    const { code, stdout } = await afterimage(["migrate"]);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("Nothing to do") });
  });

  test("--dry-run says what it would apply, and changes nothing", async () => {
    await db.asOwner("delete from schema_versions where name = 'sql/trails.sql'");
    const tried = await afterimage(["migrate", "--dry-run"]);
    expect(tried.stdout).toContain("  sql/trails.sql");
    expect(await db.rows("app", "select from schema_versions where name = 'sql/trails.sql'")).toHaveLength(0);
    const applied = await afterimage(["migrate"]);
    expect(applied.stdout).toMatch(/Applied:\n {2}sql\/trails\.sql/);
  });

  test("without a database it says which variable to set", async () => {
    const { code, stderr } = await afterimage(["migrate"], { MIGRATE_DATABASE_URL: "" });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining("Set MIGRATE_DATABASE_URL"),
    });
  });

  test.each(["MIGRATE_DATABASE_URL", "DATABASE_URL"])(
    "says of %s that it is no URL of Postgres, and does not repeat it",
    async (name) => {
      for (const url of ["canary", "postgresql://canary:can#ary@localhost/x", "https://canary@localhost/x"]) {
        const { code, stdout, stderr } = await afterimage(["migrate"], { [name]: url });
        expect(code).toBe(1);
        expect(stderr).toContain(`${name} is no Postgres URL: postgresql://user:password@host:5432/database`);
        expect(stdout + stderr).not.toContain("canary");
      }
    },
  );
});

describe("afterimage migrate", () => {
  test("--if-configured changes nothing without MIGRATE_DATABASE_URL, not even beside a local stack", async () => {
    const { code, stdout } = await afterimage(["migrate", "--if-configured"], { MIGRATE_DATABASE_URL: "" });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "MIGRATE_DATABASE_URL is not set: the database stays as it is.\n",
    });
  });

  test("--make-home writes down who moved the home", async () => {
    const { code, stdout } = await afterimage(["migrate", "--make-home"]);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("from now on") });
    const events = await db.rows(
      "app",
      "select created_by_user_id as by from audit_events where action_type = 'MOVE_HOME'",
    );
    expect(events).toEqual([{ by: expect.stringMatching(/^operator:/) }]);
  });
});

test("the installed command makes a key, and says in one line what it refuses", async () => {
  const installed = installedCli(db);
  const scopes = ["--scopes", "events:read"];
  const made = await installed(["keys", "create", "--name", "first", "--user", "carol", ...scopes]);
  expect(made).toEqual({ code: 0, stdout: expect.stringMatching(/afi_[\w-]{43}/), stderr: "" });
  const refused = await installed(["keys", "revoke", "not-an-id"]);
  expect(refused).toEqual({ code: 1, stdout: "", stderr: expect.stringMatching(/^afterimage: .*\n$/) });
});
