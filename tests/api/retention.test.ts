import { describe, expect, test } from "vitest";
import { newId, useApi } from "../support/api.ts";
import { failure, one, withClient } from "../db/helpers.ts";
import { expectProblem, newEvent } from "./support.ts";

const api = useApi();

const DEFAULTS = {
  hotRetentionDays: 90,
  warmArchiveDays: 365,
  coldRetentionDays: 2_555,
  isComplianceMode: false,
  complianceReason: null,
};
const OTHER = { ...DEFAULTS, hotRetentionDays: 30 };

const policyOf = async (ws: string) => {
  const [row] = await api.db.rows(
    "app",
    "select retention_values(p) as values from audit_retention_policies p where workspace_id = $1",
    [ws],
  );
  return row?.values as unknown;
};
const changesOf = (ws: string) =>
  api.db.rows(
    "app",
    "select created_by_user_id as by, old_values as before, new_values as after, metadata ->> 'login' as login from audit_events where workspace_id = $1 and action_type = 'UPDATE_RETENTION_POLICY' order by created_at, id",
    [ws],
  );

describe("a workspace's first event makes its policy", () => {
  const insert =
    "insert into audit_events (workspace_id, created_by_user_id, action_type, resource_type, resource_id) values ($1, 'u', 'A', 't', 'r')";
  test.each<[string, (ws: string) => Promise<unknown>]>([
    ["by HTTP", (ws) => api.call("POST", "/audit/log", { body: newEvent(ws) })],
    [
      "in a batch",
      (ws) => api.call("POST", "/audit/log/batch", { body: { events: [newEvent(ws), newEvent(ws)] } }),
    ],
    [
      "by insert_audit_event()",
      (ws) => api.db.rows("app", "select insert_audit_event('A', 't', 'r', $1, 'u')", [ws]),
    ],
    ["by direct SQL of the admin", (ws) => api.db.rows("admin", insert, [ws])],
    ["by direct SQL of the owner", (ws) => api.db.asOwner(insert, [ws])],
    [
      "as an event of the service",
      (ws) =>
        api.db.rows(
          "app",
          "select insert_service_event(jsonb_build_object('workspace_id', $1::text, 'created_by_user_id', 'u', 'action_type', 'A', 'resource_type', 't', 'resource_id', 'r'))",
          [ws],
        ),
    ],
    [
      "captured from a table",
      async (ws) => {
        const table = `app_${ws.replace("-", "_")}`;
        await api.db.rows("admin", `create table public.${table} (id int primary key, ws text not null)`);
        const asEvents = {
          resourceType: "t",
          workspaceColumn: "ws",
          resourceColumn: "id",
          insert: "CREATE_T",
        };
        await api.db.rows("admin", `select audit.track('public.${table}', as_events => $1)`, [
          JSON.stringify(asEvents),
        ]);
        await api.db.rows("admin", `insert into public.${table} values (1, $1)`, [ws]);
      },
    ],
  ])("%s, with the defaults, and no event of a change", async (_, write) => {
    const ws = newId("ws");
    await write(ws);
    expect(await policyOf(ws)).toEqual(DEFAULTS);
    expect(await changesOf(ws)).toEqual([]);
  });

  test("waits for nobody: not for another's first event, nor for a policy that is being written", async () => {
    for (const statement of [
      insert,
      "insert into audit_retention_policies (workspace_id, hot_retention_days) values ($1, 7)",
    ]) {
      const ws = newId("ws");
      await withClient(api.db, "admin", async (holder) => {
        await holder.query("begin");
        await holder.query(statement, [ws]);
        await withClient(api.db, "app", async (writer) => {
          await writer.query("set lock_timeout = '100ms'");
          await writer.query(insert, [ws]);
        });
        await holder.query("rollback");
      });
      expect(await policyOf(ws)).toBeUndefined();
      await api.db.rows("app", insert, [ws]);
      expect(await policyOf(ws)).toEqual(DEFAULTS);
    }
  });

  test("not in REPEATABLE READ, where it could fail the writer; the next event does", async () => {
    const ws = newId("ws");
    await withClient(api.db, "app", (client) =>
      client.query(`begin isolation level repeatable read; ${insert.replace("$1", `'${ws}'`)}; commit`),
    );
    expect(await policyOf(ws)).toBeUndefined();
    await api.db.rows("app", insert, [ws]);
    expect(await policyOf(ws)).toEqual(DEFAULTS);
  });
});

describe("PUT /retention", () => {
  test("changes it, says who did, and is an event with before and after; the same again is none", async () => {
    const ws = newId("ws");
    await api.call("POST", "/audit/log", { body: newEvent(ws) });
    const put = () => api.call("PUT", `/retention/${ws}`, { body: OTHER });
    expect(await put()).toMatchObject({
      status: 200,
      body: { workspaceId: ws, ...OTHER, updatedByUserId: "user-test" },
    });
    await put();
    expect((await api.call("GET", `/retention/${ws}`)).body).toMatchObject(OTHER);
    expect(await changesOf(ws)).toEqual([
      { by: "user-test", before: DEFAULTS, after: OTHER, login: "audit_app" },
    ]);
  });

  test("sets compliance mode before the first event", async () => {
    const ws = newId("ws");
    const body = { ...DEFAULTS, isComplianceMode: true, complianceReason: "GDPR" };
    expect((await api.call("PUT", `/retention/${ws}`, { body })).status).toBe(200);
    expect(await changesOf(ws)).toMatchObject([{ before: DEFAULTS, after: body }]);
  });

  test.each([
    ["warm not after hot", { hotRetentionDays: 365 }, "body.warmArchiveDays"],
    ["cold not after warm", { coldRetentionDays: 365 }, "body.coldRetentionDays"],
    ["no day at all", { hotRetentionDays: 0 }, "body.hotRetentionDays"],
    ["more than a hundred years", { coldRetentionDays: 36_501 }, "body.coldRetentionDays"],
    ["half a day", { hotRetentionDays: 1.5 }, "body.hotRetentionDays"],
    ["compliance without a reason", { isComplianceMode: true }, "body.complianceReason"],
    ["an unknown field", { hotDays: 3 }, "body.hotDays"],
  ])("refuses %s, naming the field", async (_, wrong, path) => {
    const answer = await api.call("PUT", `/retention/${newId("ws")}`, { body: { ...DEFAULTS, ...wrong } });
    expectProblem(answer, 400, "invalid_request", path);
  });

  test("is refused without its scope, and another tenant's workspace is a 404", async () => {
    const ws = newId("ws");
    await api.call("POST", "/audit/log", { body: newEvent(ws) });
    const reader = await api.mintKey({ scopes: ["retention:read"] });
    expectProblem(await api.call("PUT", `/retention/${ws}`, { key: reader, body: OTHER }), 403, "forbidden");
    const stranger = await api.mintKey({ workspaces: [newId("ws")] });
    expectProblem(
      await api.call("PUT", `/retention/${ws}`, { key: stranger, body: OTHER }),
      404,
      "not_found",
    );
    expectProblem(await api.call("GET", `/retention/${ws}`, { key: stranger }), 404, "not_found");
    expectProblem(await api.call("GET", `/retention/${newId("ws")}`), 404, "not_found");
    expect(await policyOf(ws)).toEqual(DEFAULTS);
  });
});

describe("direct SQL", () => {
  test("as the guide has it is logged with before, after and the login", async () => {
    const ws = newId("ws");
    await api.db.rows("app", "select insert_audit_event('A', 't', 'r', $1, 'u')", [ws]);
    await api.db.rows(
      "admin",
      `UPDATE audit_retention_policies SET hot_retention_days = 60, warm_archive_days = 200 WHERE workspace_id = '${ws}'`,
    );
    await api.db.rows(
      "admin",
      `UPDATE audit_retention_policies SET is_compliance_mode = TRUE, compliance_reason = 'GDPR' WHERE workspace_id = '${ws}'`,
    );
    const after = { ...DEFAULTS, hotRetentionDays: 60, warmArchiveDays: 200 };
    const by = "database:afterimage_admin";
    expect(await changesOf(ws)).toEqual([
      { by, before: DEFAULTS, after, login: "afterimage_admin" },
      {
        by,
        before: after,
        after: { ...after, isComplianceMode: true, complianceReason: "GDPR" },
        login: "afterimage_admin",
      },
    ]);
    const [row] = await api.db.rows(
      "admin",
      "select updated_by_user_id as by from audit_retention_policies where workspace_id = $1",
      [ws],
    );
    expect(row).toEqual({ by });
  });

  test("of the owner, who deletes the row, is logged too", async () => {
    const ws = newId("ws");
    await api.call("PUT", `/retention/${ws}`, { body: OTHER });
    await api.db.asOwner("delete from audit_retention_policies where workspace_id = $1", [ws]);
    expect((await changesOf(ws)).at(-1)).toMatchObject({ before: OTHER, after: DEFAULTS });
  });

  test.each([
    ["hot not before warm", "hot_retention_days = 365", "23514"],
    ["warm not before cold", "cold_retention_days = 365", "23514"],
    ["another workspace", "workspace_id = 'other'", "23000"],
  ])("cannot set %s", async (_, set, code) => {
    const ws = newId("ws");
    await api.db.rows("app", "select insert_audit_event('A', 't', 'r', $1, 'u')", [ws]);
    expect(
      await failure(
        api.db.rows("admin", `update audit_retention_policies set ${set} where workspace_id = '${ws}'`),
      ),
    ).toMatchObject({ code });
  });

  test("cannot say that somebody else did it, nor empty the table", async () => {
    const ws = newId("ws");
    await api.db.rows("app", "select insert_audit_event('A', 't', 'r', $1, 'u')", [ws]);
    const { by } = await one<{ by: string }>(
      api.db.pool("admin"),
      "update audit_retention_policies set hot_retention_days = 10, updated_by_user_id = 'somebody' where workspace_id = $1 returning updated_by_user_id as by",
      [ws],
    );
    expect(by).toBe("database:afterimage_admin");
    expect(await failure(api.db.asOwner("truncate audit_retention_policies"))).toMatchObject({
      message: "Retention policies are immutable",
    });
  });
});
