import { beforeEach, describe, expect, test } from "vitest";
import { verifyRestore } from "../../../services/restore/verify.ts";
import { defineConfig } from "../../../lib/config.ts";
import { restoreContext } from "../../../services/runtime.ts";
import { useRestores } from "../../support/restores.ts";
import { alertsOf, closeGate, rollback, start, timeBetween, waitsAtGate } from "./support.ts";

const stage = useRestores({
  config: defineConfig({ tables: { "public.touched": { touch: ["updated_at"] } } }),
});
const { sql } = stage;
const LONG_AGO = "2020-01-01T00:00:00+00:00";

beforeEach(async () => {
  await sql(`
    drop table if exists things, touched cascade;
    create table things (id int primary key, name text not null, note text, updated_at timestamptz default '${LONG_AGO}');
    create table touched (like things including all);
    select audit.track('things', ignore => '{note}'), audit.track('touched');
  `);
});

const damaged = async (table = "things") => {
  await sql(`insert into ${table} select g, 'good' from generate_series(1, 3) g`);
  await sql(`update ${table} set name = 'bad'`);
  return { table: `public.${table}`, recordId: "1" };
};

const trigger = (name: string, timing: string, body: string) =>
  sql(`create or replace function ${name}() returns trigger language plpgsql as $$ begin ${body} end $$;
       create trigger ${name} ${timing} on things for each row execute function ${name}()`);

describe("a difference", () => {
  test("that a trigger before the write makes is named as the application's, and fails nothing", async () => {
    const target = await damaged();
    await trigger("set_updated", "before update", "new.updated_at := now(); return new;");
    await sql("update things set name = 'worse', updated_at = now() where id = 1");
    const run = await stage.restore({ ...target, to: { entryId: (await firstUpdate()).id } });
    expect(run).toMatchObject({
      status: "completed",
      report: {
        verification: {
          ok: true,
          differences: { trigger: 1 },
          examples: [{ table: "public.things", recordId: "1", cause: "trigger", columns: ["updated_at"] }],
        },
      },
    });
  });

  test("that a trigger after the write makes is, too", async () => {
    const target = await damaged();
    await trigger(
      "shout",
      "after update of name",
      "if new.name <> upper(new.name) then update public.things set name = upper(new.name) where id = new.id; end if; return null;",
    );
    const run = await stage.restore(target);
    expect(run).toMatchObject({
      status: "completed",
      report: { verification: { differences: { trigger: 1 } } },
    });
    expect(await sql("select name from things where id = 1")).toEqual([{ name: "GOOD" }]);
  });

  test("that somebody made since is named so; one that nobody is known to have made needs attention", async () => {
    const target = await damaged();
    const run = await stage.restore(target);
    const ref = { restoreId: run.id, epoch: 1 };
    const again = async () => {
      await sql_("update audit.restore_runs set status = 'running' where id = $1", [run.id]);
      const verification = await verifyRestore(restoreContext(stage.flows.runtime), ref);
      await sql_("update audit.restore_runs set status = 'completed' where id = $1", [run.id]);
      return verification;
    };
    await sql("update things set name = 'mine' where id = 1");
    expect(await again()).toMatchObject({ ok: true, differences: { changed_since: 1 } });
    await sql("update things set name = 'good' where id = 1");
    await sql_("alter table public.things disable trigger all");
    await sql_("update public.things set name = 'sly' where id = 1");
    await sql_("alter table public.things enable trigger all");
    await sql_("delete from audit.restore_chunks where false");
    expect(await again()).toMatchObject({ differences: { changed_since: 1 } });
  });

  test("that no trigger can have made is wrong", async () => {
    const target = await damaged();
    await sql(waitsAtGate("things", "before update", "false", 91));
    await sql("drop trigger gate on things");
    const run = await stage.restore(target);
    await sql_("update audit.restore_runs set status = 'running' where id = $1", [run.id]);
    await sql_("alter table public.things disable trigger all");
    await sql_("update public.things set name = 'sly' where id = 1");
    await sql_("alter table public.things enable trigger all");
    const found = await verifyRestore(restoreContext(stage.flows.runtime), { restoreId: run.id, epoch: 1 });
    expect(found).toMatchObject({
      ok: false,
      differences: { wrong: 1 },
      examples: [{ recordId: "1", columns: ["name"] }],
    });
  });

  test("of a digit alone is one, in numbers and within JSON", async () => {
    await sql(`
      drop table if exists prices;
      create table prices (id int primary key, price numeric, terms jsonb);
      select audit.track('prices');
      insert into prices select g, 1.0, '{"rate": 1.0}' from generate_series(1, 3) g;
    `);
    await sql("delete from prices");
    const [entry] = await sql_("select txid::text from audit.audit_logs order by id desc limit 1");
    const run = await stage.restore({ transactionId: entry?.txid });
    expect(run).toMatchObject({ status: "completed", report: { verification: { differences: {} } } });
    await sql_("update audit.restore_runs set status = 'running' where id = $1", [run.id]);
    await sql_(`
      alter table public.prices disable trigger all;
      update public.prices set price = 1.00 where id = 1;
      update public.prices set terms = '{"rate": 1.00}' where id = 2;
      alter table public.prices enable trigger all;
    `);
    const found = await verifyRestore(restoreContext(stage.flows.runtime), { restoreId: run.id, epoch: 1 });
    expect(found).toMatchObject({
      ok: false,
      differences: { wrong: 2 },
      examples: [
        { recordId: "1", columns: ["price"] },
        { recordId: "2", columns: ["terms"] },
      ],
    });
  });
});

const sql_ = (text: string, values?: unknown[]) => stage.db.rows("superuser", text, values);
const firstUpdate = async () =>
  (
    await sql_(
      "select id::text from audit.audit_logs where table_name = 'things' and record_id = '1' and action = 'UPDATE' order by id limit 1",
    )
  )[0] as { id: string };

test("capture that is switched off while a restore runs is noticed, told, and needs attention", async () => {
  const target = await damaged();
  await sql(waitsAtGate("things", "before update", "true", 92));
  const gate = await closeGate(stage, 92);
  // The plan is made; the rows are not written yet.
  await sql("alter table things disable trigger gate");
  await sql("alter table things enable trigger gate");
  const { body } = await start(stage, target);
  await gate.reached();
  await stage.db.rows("admin", "select audit.switch_capture(false)");
  await gate.open();
  const run = await stage.ended(body.id);
  await stage.db.rows("admin", "select audit.switch_capture(true)");
  expect(run).toMatchObject({
    status: "needs_attention",
    report: { verification: { ok: false, differences: { unrecorded: 1 } } },
  });
  expect(run.error).toContain("missing in the history");
  expect(await alertsOf(stage, run.id)).toEqual(["restore.needs-attention"]);
  expect(await rollback(stage, run.id, { onConflict: "overwrite" })).toMatchObject({ status: "completed" });
  expect(await sql("select name from things where id = 1")).toEqual([{ name: "bad" }]);
  expect(await alertsOf(stage, run.id)).toEqual(["restore.needs-attention (closed)"]);
});

test("a restore of nothing but an ignored column is not missed in the history", async () => {
  await sql("insert into things values (1, 'good', 'kept')");
  const at = await timeBetween(stage);
  await sql("update things set name = 'bad', note = 'lost' where id = 1");
  await sql("update things set name = 'good' where id = 1");
  const run = await stage.restore({ tables: ["public.things"], at });
  expect(run).toMatchObject({ status: "completed", appliedCount: 1, report: { verification: { ok: true } } });
  expect(await sql("select note from things")).toEqual([{ note: "kept" }]);
});

test("a column that the configuration touches gets the time of the restore, and verification knows", async () => {
  const target = await damaged("touched");
  await sql("delete from touched where id = 2");
  const updated = await stage.restore(target);
  const inserted = await stage.restore({ ...target, recordId: "2" });
  for (const run of [updated, inserted]) {
    expect(run).toMatchObject({
      status: "completed",
      report: { verification: { ok: true, differences: {} } },
    });
  }
  const rows = await sql("select id from touched where updated_at > now() - interval '1 hour' order by id");
  expect(rows).toEqual([{ id: 1 }, { id: 2 }]);
  expect(await rollback(stage, inserted.id)).toMatchObject({ status: "completed" });
});
