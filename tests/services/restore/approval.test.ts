import { beforeEach, describe, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { expireApprovals } from "../../../services/restore/expire.ts";
import { failRestore } from "../../../services/restore/fail.ts";
import { readDecision } from "../../../services/restore/confirm.ts";
import { restoreContext } from "../../../services/runtime.ts";
import { useRestores } from "../../support/restores.ts";
import { act, eventsOf, get, historyOf, keyOf, rows, start } from "./support.ts";

const stage = useRestores({
  config: defineConfig({ tables: {}, restores: { approval: [{ targets: ["record"] }] } }),
});
const { sql } = stage;
const target = { table: "public.things", recordId: "1" };
let alice: string;
let bob: string;

beforeEach(async () => {
  await rows(stage, "update audit.restore_runs set status = 'cancelled' where status = 'awaiting_approval'");
  await sql(`
    drop table if exists things cascade;
    create table things (id int primary key, name text not null);
    select audit.track('things');
    insert into things values (1, 'good');
    update things set name = 'bad';
  `);
  [alice, bob] = [await keyOf(stage, "alice"), await keyOf(stage, "bob")];
});

const started = async () => {
  const answer = await start(stage, target, {}, alice);
  expect(answer).toMatchObject({
    status: 202,
    body: { status: "awaiting_approval", approval: { decision: null } },
  });
  return answer.body.id as string;
};
const minted = async (key: string, userId: string) =>
  (
    await stage.call("POST", "/keys", {
      key,
      body: { name: "k", userId, scopes: ["restores:approve", "keys:manage"] },
    })
  ).body;
const names = async () => sql("select name from things");

describe("a restore that needs approval", () => {
  test("writes nothing before another person approves it, then runs", async () => {
    const id = await started();
    expect(await names()).toEqual([{ name: "bad" }]);
    expect(await historyOf(stage, id)).toEqual([]);
    expect(await get(stage, id)).toMatchObject({
      status: "awaiting_approval",
      snapshotId: null,
      progressPercent: 0,
    });
    expect(await act(stage, id, "approve", bob)).toMatchObject({
      status: 200,
      body: { approval: { decision: "approved", decidedByUserId: "bob" } },
    });
    expect(await stage.ended(id)).toMatchObject({ status: "completed" });
    expect(await names()).toEqual([{ name: "good" }]);
    const [begun] = (await eventsOf(stage, id)).filter((one) => one.action_type === "RESTORE_BEGUN");
    expect(begun?.metadata).toMatchObject({ approved_by: "bob" });
    expect((await act(stage, id, "approve", bob)).status).toBe(409);
  });

  test("is not approved by who asked for it, nor with keys that come from that person", async () => {
    const id = await started();
    const refused = async (key: string) => expect((await act(stage, id, "approve", key)).status).toBe(403);
    await refused(alice);
    await refused(await keyOf(stage, "alice"));
    const carol = await minted(alice, "carol");
    await refused(carol.secret);
    const rotated = await stage.call("POST", `/keys/${carol.key.id}/rotate`, { key: bob, body: {} });
    expect(rotated.body.secret).toMatch(/./);
    await refused(rotated.body.secret);
    const dave = await minted(carol.secret, "dave");
    await refused(dave.secret);
    expect(await get(stage, id)).toMatchObject({ status: "awaiting_approval", approval: { decision: null } });
    const erin = await minted(bob, "erin");
    expect((await act(stage, id, "approve", erin.secret)).status).toBe(200);
    expect(await stage.ended(id)).toMatchObject({ status: "completed" });
  });

  test("that is rejected writes nothing and cannot be resumed", async () => {
    const id = await started();
    expect(await act(stage, id, "reject", bob)).toMatchObject({ status: 200, body: { status: "rejected" } });
    expect(await get(stage, id)).toMatchObject({ status: "rejected", progressPercent: 0 });
    expect((await act(stage, id, "approve", bob)).status).toBe(409);
    expect((await act(stage, id, "resume", alice)).status).toBe(409);
    expect((await act(stage, id, "rollback", alice)).status).toBe(409);
    expect(await historyOf(stage, id)).toEqual([]);
  });

  test("expires: then nobody can approve it, it says so, and other restores of its rows can begin", async () => {
    const id = await started();
    const second = await start(stage, target, {}, alice);
    expect(second).toMatchObject({ status: 409, body: { errors: [{ message: id }] } });
    await rows(
      stage,
      "update audit.restore_runs set approval_expires_at = now() - interval '1 s' where id = $1",
      [id],
    );
    expect((await act(stage, id, "approve", bob)).status).toBe(409);
    const third = await started();
    const ctx = restoreContext(stage.flows.runtime);
    // Unless its workflow has looked first.
    expect(["over", "superseded"]).toContain((await readDecision(ctx, { restoreId: id, epoch: 1 })).state);
    expect(await get(stage, id)).toMatchObject({ status: "expired" });
    expect((await eventsOf(stage, id)).map((one) => one.action_type)).toEqual([
      "REQUEST_RESTORE",
      "RESTORE_EXPIRED",
    ]);
    await rows(stage, "update audit.restore_runs set approval_expires_at = now() where id = $1", [third]);
    expect(await expireApprovals(ctx)).toEqual({ expired: 1 });
    expect(await get(stage, third)).toMatchObject({ status: "expired" });
    expect(await historyOf(stage, id)).toEqual([]);
  });

  test("whose decision nobody was told of is found approved when its workflow looks", async () => {
    const id = await started();
    await rows(
      stage,
      "update audit.restore_runs set status = 'running', decision = 'approved', decided_by_user_id = 'bob' where id = $1",
      [id],
    );
    const ctx = restoreContext(stage.flows.runtime);
    expect(await readDecision(ctx, { restoreId: id, epoch: 1 })).toEqual({ state: "ready" });
    expect(await names()).toEqual([{ name: "bad" }]);
  });

  test("that failed while it waited still needs it after it is resumed", async () => {
    const id = await started();
    const ctx = restoreContext(stage.flows.runtime);
    await failRestore(ctx, { restoreId: id, epoch: 1, requestId: id });
    expect(await get(stage, id)).toMatchObject({ status: "failed" });
    expect(await act(stage, id, "resume", alice)).toMatchObject({
      status: 202,
      body: { status: "awaiting_approval" },
    });
    expect(await names()).toEqual([{ name: "bad" }]);
    await act(stage, id, "approve", bob);
    expect(await stage.ended(id)).toMatchObject({ status: "completed" });
  });

  test("is cancelled at once while it waits", async () => {
    const id = await started();
    expect(await act(stage, id, "cancel", alice)).toMatchObject({
      status: 202,
      body: { status: "cancelled" },
    });
    expect((await act(stage, id, "approve", bob)).status).toBe(409);
  });

  test("needs it for its rollback, and for the rollback of that", async () => {
    const approved = async (id: string, verb: string) => {
      const answer = await act(stage, id, verb, alice);
      expect(answer).toMatchObject({ status: 202, body: { status: "awaiting_approval" } });
      await act(stage, answer.body.id, "approve", bob);
      return stage.ended(answer.body.id);
    };
    const id = await started();
    await act(stage, id, "approve", bob);
    await stage.ended(id);
    const back = await approved(id, "rollback");
    expect(back).toMatchObject({ status: "completed" });
    expect(await names()).toEqual([{ name: "bad" }]);
    expect(await approved(back.id, "rollback")).toMatchObject({ status: "completed" });
    expect(await names()).toEqual([{ name: "good" }]);
  });
});
