import { beforeAll, describe, expect, test } from "vitest";
import { useDatabase } from "../support/database.ts";
import { event, one, withClient } from "./helpers.ts";

const db = useDatabase();

beforeAll(async () => {
  const events = Array.from({ length: 120 }, (_, i) =>
    event({
      workspace_id: "ws-read",
      resource_type: i % 2 ? "invoice" : "user",
      resource_id: `r-${i % 4}`,
      action_type: `A_${i}`,
    }),
  );
  await db.rows("app", "select * from insert_audit_events($1)", [JSON.stringify(events)]);
  await db.asOwner(
    `insert into audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id, deleted_at)
     values ('ws-read', 'u', 'USER_DELETED', 'user', 'r-0', now())`,
  );
  // As the keeper writes, so that an old event may come after a new one.
  await db.rows(
    "superuser",
    `set role audit_keeper; insert into audit.audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id, created_at)
     select 'ws-old', 'u', 'OLD', 't', 'r', date_trunc('month', now()) - interval '1 second' from generate_series(1, 3); reset role`,
  );
});

describe("get_audit_trail()", () => {
  test("gives the newest hundred of the last thirty days", async () => {
    const rows = await db.rows("app", "select * from get_audit_trail('ws-read')");
    expect(rows.length).toBe(100);
    const times = rows.map((row) => (row.created_at as Date).getTime());
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(rows[0]?.action_type).toBe("A_119");
  });

  test("takes the documented names, and a resource", async () => {
    const rows = await db.rows(
      "app",
      "select * from get_audit_trail(p_workspace_id => 'ws-read', p_resource_type => 'invoice', p_resource_id => 'r-1', p_days_back => 1, p_limit => 7)",
    );
    expect(rows.length).toBe(7);
    expect(rows.every((row) => row.resource_type === "invoice" && row.resource_id === "r-1")).toBe(true);
  });

  test("leaves out what is older than the days asked for", async () => {
    const days = new Date().getUTCDate();
    expect(
      (await db.rows("app", "select * from get_audit_trail('ws-old', p_days_back => $1)", [days + 1])).length,
    ).toBe(3);
    expect((await db.rows("app", "select * from get_audit_trail('ws-old', p_days_back => 0)")).length).toBe(
      0,
    );
  });

  test("leaves deleted events out", async () => {
    const rows = await db.rows("app", "select * from get_audit_trail('ws-read', p_limit => 1000)");
    expect(rows.length).toBe(120);
    expect(rows.map((row) => row.action_type)).not.toContain("USER_DELETED");
  });

  test("shows no other workspace, and nothing for none", async () => {
    expect(await db.rows("app", "select * from get_audit_trail('ws-nobody')")).toEqual([]);
    expect(await db.rows("app", "select * from get_audit_trail(null::text)")).toEqual([]);
  });

  const UUID = "018f0000-0000-7000-8000-000000000000";
  const IDS = [`'${UUID}'`, `'${UUID}'::text`, `'${UUID}'::uuid`];
  const mixes = IDS.flatMap((workspace) => IDS.map((resource) => ({ workspace, resource })));

  test.each(mixes)(
    "takes $workspace and $resource, by position and by name",
    async ({ workspace, resource }) => {
      await db.rows("app", `select insert_audit_event('A', 'thing', '${UUID}', '${UUID}', 'u')`);
      for (const call of [
        `get_audit_trail(${workspace})`,
        `get_audit_trail(p_workspace_id => ${workspace}, p_limit => 1)`,
        `get_audit_trail(${workspace}, 'thing')`,
        `get_audit_trail(${workspace}, 'thing', ${resource})`,
        `get_audit_trail(${workspace}, null, ${resource}, 1, 1)`,
        `get_audit_trail(p_limit => 1, p_resource_id => ${resource}, p_resource_type => 'thing', p_workspace_id => ${workspace})`,
      ]) {
        const [row] = await db.rows("app", `select resource_id from ${call}`);
        expect(row, call).toEqual({ resource_id: UUID });
      }
    },
  );

  test.each([
    "get_audit_trail('ws-read', 'invoice', 'r-1', 0)",
    `get_audit_trail('${UUID}'::uuid, 'invoice', '${UUID}'::uuid, 0)`,
  ])("goes by the index of the resource and does not open old months: %s", async (call) => {
    const plan = await withClient(db, "app", async (client) => {
      await client.query("set enable_seqscan = off");
      const { rows } = await client.query<{ "QUERY PLAN": string }>(`explain select * from ${call}`);
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    });
    expect(plan).toMatch(/Index Scan.*resource_type/);
    expect(plan).toMatch(/Subplans Removed: [1-9]/);
    // A merge of the hot and the archived has a sort key, and sorts nothing.
    expect(plan).not.toMatch(/Seq Scan|Function Scan|Sort {2}/);
  });
});

const SECURITY = [
  "USER_SIGNED_IN",
  "LOGIN",
  "LOGIN_FAILED",
  "SSOLogin",
  "APIKeyCreated",
  "user.logged_out",
  "signIn",
  "userSignedUp",
  "SSO_LOGIN",
  "PASSWORD_CHANGED",
  "MFA_ENABLED",
  "2FA_DISABLED",
  "API_KEY_CREATED",
  "apiKeyRotated",
  "KEY_REVOKED",
  "deploy_key.created",
  "SECRET_READ",
  "TOKEN_CREATED",
  "ROLE_CHANGED",
  "userRoleAssigned",
  "PERMISSION_GRANTED",
  "ACCESS_REVOKED",
  "MEMBER_ADDED",
  "member.added",
  "MEMBERSHIP_REMOVED",
  "membershipCreated",
  "INVITATION_SENT",
  "OWNERSHIP_TRANSFERRED",
  "DATA_EXPORTED",
  "EXPORT_WORKSPACE",
  "audit.events.exported",
  "FILE_DOWNLOADED",
  "DELETE_WORKSPACE",
  "invoice.deleted",
  "PURGE_EVENTS",
  "ACCESS_DENIED",
  "PAYMENT_FAILED",
  "REQUEST_REFUSED",
  "UNAUTHORIZED_REQUEST",
  "DEPLOY_ERROR",
  "ACCOUNT_LOCKED",
];
const ORDINARY = [
  "UPDATE_KEYBOARD",
  "MONKEY_CREATED",
  "AUTHOR_CHANGED",
  "CREATE_WORKSPACE",
  "TEST",
  "invoice.paid",
  "DOCUMENT_SIGNED",
  "LOGO_CHANGED",
  "BLOG_INDEXED",
  "DESIGN_UPDATED",
  "KEYNOTE_STARTED",
  "turkeyOrdered",
  "REMEMBERED",
  "DISMEMBER_MODEL",
  "SCROLLED_DOWN",
  "PAROLE_SET",
  "EXPORTER_CONFIGURED",
  "issues.opened",
  "TASK_ASSIGNED",
  "GRANTOR_NAMED",
  "MESSAGE_SENT",
];

describe("vw_security_audit", () => {
  test.each(SECURITY)("has %s", async (action) => {
    const row = await one(db.pool("app"), "select audit.is_security_action($1) as yes", [action]);
    expect(row.yes).toBe(true);
  });
  test.each(ORDINARY)("leaves out %s", async (action) => {
    const row = await one(db.pool("app"), "select audit.is_security_action($1) as yes", [action]);
    expect(row.yes).toBe(false);
  });

  test("shows the events of that list and no deleted one, to the API and to the admin", async () => {
    const events = ["LOGIN_FAILED", "UPDATE_KEYBOARD"].map((action_type) =>
      event({ workspace_id: "ws-sec", action_type }),
    );
    await db.rows("app", "select * from insert_audit_events($1)", [JSON.stringify(events)]);
    for (const role of ["app", "admin"] as const) {
      const rows = await db.rows(role, "select workspace_id, action_type from audit.vw_security_audit");
      expect(rows).toEqual([{ workspace_id: "ws-sec", action_type: "LOGIN_FAILED" }]);
    }
  });
});
