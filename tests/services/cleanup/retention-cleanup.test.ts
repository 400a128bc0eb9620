import pg from "pg";
import { holdsOn } from "../../support/holds.ts";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { digestOf } from "../../../lib/cleanup-rules.ts";
import { beginRule } from "../../../services/cleanup/begin-rule.ts";
import { deleteBatch } from "../../../services/cleanup/delete-batch.ts";
import { cleanupContext } from "../../../services/runtime.ts";
import { useRestores } from "../../support/restores.ts";
import { jobRunner } from "../../support/workflows.ts";
import { timeBetween } from "../restore/support.ts";
import { config, SCHEMA } from "./rules.ts";

const stage = useRestores({ config });
const { sql } = stage;
const run = () => jobRunner(stage.call).runJob("retention-cleanup");
const count = async (table: string) => Number((await sql(`select count(*) from ${table}`))[0]?.count);
const logged = () =>
  sql("select * from audit.audit_deletion_log where subject_type = 'rows' order by deleted_at");

beforeAll(async () => {
  await sql(SCHEMA);
});

afterEach(async () => {
  await sql(
    "delete from siren_escalations; delete from siren_events; delete from wa_automation_flows; delete from wa_media_signatures",
  );
});

const sirens = (ids: string, status = "sent", age = "91 days") =>
  sql(
    `insert into siren_events select n, '${status}', now() - interval '${age}', 'note ' || n from ${ids} n`,
  );

describe("a run of retention-cleanup", () => {
  test("deletes what its rules say, no row more", async () => {
    await sql(
      "insert into wa_media_signatures (expires_at) values (now() - interval '25 hours'), (now() - interval '23 hours'), (now() + interval '1 day')",
    );
    await sql(`insert into wa_automation_flows values
      ('a', 1, 'completed', now() at time zone 'utc' - interval '31 days'), ('a', 2, 'completed', now() at time zone 'utc' - interval '29 days'),
      ('b', 1, 'active', now() at time zone 'utc' - interval '31 days')`);
    await sirens("generate_series(1, 3)");
    await sirens("generate_series(11, 13)", "queued");
    await sirens("generate_series(21, 23)", "failed", "89 days");
    const { status, result } = await run();
    expect({ status, result }).toEqual({
      status: "completed",
      result: { rules: 3, deletedCount: 5, keptCount: 0, remainingCount: 0, problems: 0 },
    });
    expect(await count("wa_media_signatures")).toBe(2);
    expect(await sql("select tenant, flow from wa_automation_flows order by 1, 2")).toEqual([
      { tenant: "a", flow: 2 },
      { tenant: "b", flow: 1 },
    ]);
    expect(await sql("select id::int from siren_events order by id")).toEqual(
      [11, 12, 13, 21, 22, 23].map((id) => ({ id })),
    );
  });

  test("is in the deletion log before it deletes, with the rule, the counts and what goes with the rows", async () => {
    await sirens("generate_series(1, 4)");
    const before = (await logged()).length;
    const ctx = cleanupContext(stage.flows.runtime);
    const digest = digestOf(config.retention[2] as never);
    const ref = { runId: crypto.randomUUID(), digest };
    expect(await beginRule(ctx, ref, 10)).toEqual({ batches: 1 });
    expect(await count("siren_events")).toBe(4);
    const [entry] = (await logged()).slice(before);
    expect(entry).toMatchObject({
      deleted_by_user_id: "afterimage:retention-cleanup",
      subject_id: "public.siren_events",
      deletion_reason:
        "public.siren_events where status is sent or failed or cancelled and created_at is older than 90 days",
      is_irrevocable: false,
      details: {
        runId: ref.runId,
        dueCount: 4,
        children: [
          { table: "public.siren_deliveries", onDelete: "cascade", isTracked: true },
          { table: "public.siren_escalations", onDelete: "restrict", isTracked: false },
        ],
      },
    });
    expect(await beginRule(ctx, ref, 10)).toEqual({ batches: 1 });
    expect(await logged()).toHaveLength(before + 1);
    await deleteBatch(ctx, ref, 1);
    expect(await count("siren_events")).toBe(0);
  });

  test("a batch that is delivered twice deletes once, and counts once", async () => {
    await sirens("generate_series(1, 5000)");
    const ctx = cleanupContext(stage.flows.runtime);
    const ref = { runId: crypto.randomUUID(), digest: digestOf(config.retention[2] as never) };
    expect(await beginRule(ctx, ref, 10)).toEqual({ batches: 3 });
    expect(await deleteBatch(ctx, ref, 1)).toBe("more");
    expect(await deleteBatch(ctx, ref, 1)).toBe("more");
    expect(await count("siren_events")).toBe(3000);
    expect(await deleteBatch(ctx, ref, 2)).toBe("more");
    expect(await deleteBatch(ctx, ref, 3)).toBe("done");
    expect(await count("siren_events")).toBe(0);
    const [row] = await stage.db.rows(
      "worker",
      "select deleted_count::int as deleted from retention_cleanups where run_id = $1",
      [ref.runId],
    );
    expect(row).toEqual({ deleted: 5000 });
  });

  test("leaves rows that others reference, and deletes all the others of their batch", async () => {
    await sirens("generate_series(1, 50)");
    await sql(
      "insert into siren_deliveries values (1, 7), (2, 8); insert into siren_escalations values (1, 8), (2, 33)",
    );
    const { result } = await run();
    expect(result).toMatchObject({ deletedCount: 48, keptCount: 2, remainingCount: 2, problems: 0 });
    expect(await sql("select id::int from siren_events order by id")).toEqual([{ id: 8 }, { id: 33 }]);
    expect(await sql("select id from siren_deliveries")).toEqual([{ id: 2 }]);
  });

  test("passes by rows that a writer holds, and takes those that still fit when it is done", async () => {
    await sirens("generate_series(1, 3)");
    const writer = new pg.Client({ connectionString: stage.db.url("admin") });
    await writer.connect();
    await writer.query("begin; update siren_events set status = 'queued' where id = 2");
    expect((await run()).result).toMatchObject({ deletedCount: 2 });
    await writer.query("commit");
    await writer.end();
    expect((await run()).result).toMatchObject({ deletedCount: 0 });
    expect(await count("siren_events")).toBe(1);
  });

  test("leaves rows that are held, by their table and their key as the row history writes it, and those that would take held ones along", async () => {
    await sirens("generate_series(1, 3)");
    await sql(
      `insert into wa_automation_flows values ('a', 1, 'completed', now() at time zone 'utc' - interval '31 days')`,
    );
    const holds = holdsOn(stage.db);
    await holds.place("public.siren_events", "2");
    await holds.place("public.wa_automation_flows", '["a", 1]');
    expect((await run()).result).toMatchObject({ deletedCount: 2, remainingCount: 0 });
    expect(await sql("select id::int from siren_events")).toEqual([{ id: 2 }]);
    await sirens("generate_series(3, 4)");
    await sql("insert into siren_deliveries values (30, 3)");
    await holds.release();
    await holds.place("public.siren_deliveries", "30");
    expect((await run()).result).toMatchObject({ deletedCount: 3 });
    expect(await sql("select id::int from siren_events")).toEqual([{ id: 3 }]);
    await holds.release();
    expect((await run()).result).toMatchObject({ deletedCount: 1 });
  });

  test("keeps the rows of a workspace that is held or in compliance mode, where the rule names its column, and no others", async () => {
    await sql("create table notes (id int primary key, tenant int, created_at timestamptz not null)");
    await sql("grant select, update, delete on notes to audit_worker");
    await sql("insert into notes select n, n % 4, now() - interval '2 days' from generate_series(1, 8) n");
    await sql("insert into notes values (9, null, now() - interval '2 days')");
    const where = [{ column: "created_at", olderThan: "1 day" }];
    const { retention } = defineConfig({
      tables: {},
      retention: [{ table: "public.notes", where, workspaceColumn: "tenant" }],
    });
    const ctx = { ...cleanupContext(stage.flows.runtime), config: { ...config, retention } };
    const clean = async () => {
      const ref = { runId: crypto.randomUUID(), digest: digestOf(retention[0] as never) };
      if ((await beginRule(ctx, ref, 10)).batches > 0) await deleteBatch(ctx, ref, 1);
      return (await sql("select id from notes order by id")).map(({ id }) => id);
    };
    await sql(
      "insert into audit.legal_holds (workspace_id, reason, placed_by_user_id) values ('1', 'test', 'lawyer')",
    );
    await sql(
      "insert into audit.legal_holds (workspace_id, resource_type, resource_id, reason, placed_by_user_id) values ('2', 'public.notes', '6', 'test', 'lawyer')",
    );
    await sql(
      "insert into audit.audit_retention_policies (workspace_id, is_compliance_mode, compliance_reason) values ('3', true, 'GDPR')",
    );
    expect(await clean()).toEqual([1, 3, 5, 6, 7]);
    await holdsOn(stage.db).release();
    expect(await clean()).toEqual([3, 7]);
    await sql(
      "update audit.audit_retention_policies set is_compliance_mode = false, compliance_reason = null",
    );
    expect(await clean()).toEqual([]);
    await sql("drop table notes");
  });

  test("is bounded by rowsPerRun, and says what remains", async () => {
    await sirens("generate_series(1, 30)");
    const bounded = { ...config, retention: config.retention.map((rule) => ({ ...rule, rowsPerRun: 20 })) };
    const ctx = { ...cleanupContext(stage.flows.runtime), config: bounded };
    const ref = { runId: crypto.randomUUID(), digest: digestOf(config.retention[2] as never) };
    expect(await beginRule(ctx, ref, 10)).toEqual({ batches: 1 });
    expect(await deleteBatch(ctx, ref, 1)).toBe("done");
    expect(await count("siren_events")).toBe(10);
  });

  test("a rule that is no longer in the configuration deletes nothing more", async () => {
    await sirens("generate_series(1, 3)");
    const ctx = cleanupContext(stage.flows.runtime);
    const ref = { runId: crypto.randomUUID(), digest: digestOf(config.retention[2] as never) };
    await beginRule(ctx, ref, 10);
    expect(await deleteBatch({ ...ctx, config: { ...config, retention: [] } }, ref, 1)).toBe("stopped");
    expect(await count("siren_events")).toBe(3);
  });

  test("a rule that does not fit is an alert that names it, and the others are carried out", async () => {
    await sirens("generate_series(1, 3)");
    await sql("alter table wa_automation_flows rename column updated_at to changed_at");
    expect((await run()).result).toMatchObject({ deletedCount: 3, problems: 1 });
    const open = "select message from audit.alerts where code = 'retention.failed' and resolved_at is null";
    expect(await sql(open)).toEqual([
      { message: expect.stringContaining("public.wa_automation_flows has no column updated_at") },
    ]);
    await sql("alter table wa_automation_flows rename column changed_at to updated_at");
    expect((await run()).result).toMatchObject({ problems: 0 });
    expect(await sql(open)).toEqual([]);
  });

  test("what a trigger of the application refuses stops its rule alone, and is noted", async () => {
    await sirens("generate_series(1, 3)");
    await sql("insert into wa_media_signatures (expires_at) values (now() - interval '25 hours')");
    await sql(`create function refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
      create trigger refuse before delete on siren_events for each row execute function refuse()`);
    expect((await run()).result).toMatchObject({ deletedCount: 1, remainingCount: 3, problems: 1 });
    await sql("drop trigger refuse on siren_events; drop function refuse()");
    expect((await run()).result).toMatchObject({ deletedCount: 3, problems: 0 });
  });

  test("runs under the application's own search path, so that its triggers find their tables", async () => {
    await sql(`create table siren_log (id bigint); grant insert on siren_log to audit_worker;
      create function note_siren() returns trigger language plpgsql as 'begin insert into siren_log values (old.id); return old; end';
      create trigger note_siren before delete on siren_events for each row execute function note_siren()`);
    await sirens("generate_series(1, 3)");
    expect((await run()).result).toMatchObject({ deletedCount: 3, problems: 0 });
    expect(await count("siren_log")).toBe(3);
    await sql("drop trigger note_siren on siren_events; drop table siren_log");
  });
});

test("what was deleted from a tracked table is brought back by a restore, its cascaded children with it", async () => {
  await sirens("generate_series(1, 20)");
  await sql("insert into siren_deliveries select n, n from generate_series(1, 5) n");
  const before = await sql("select * from siren_events order by id");
  const from = await timeBetween(stage);
  expect((await run()).result).toMatchObject({ deletedCount: 20 });
  expect(await count("siren_deliveries")).toBe(0);
  const to = await timeBetween(stage);
  const restored = await stage.restore({ actor: "afterimage:retention-cleanup", from, to });
  expect(restored, JSON.stringify(restored.report)).toMatchObject({ status: "completed" });
  expect(await sql("select * from siren_events order by id")).toEqual(before);
  expect(await count("siren_deliveries")).toBe(5);
});
