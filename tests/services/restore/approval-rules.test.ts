import { beforeEach, expect, test } from "vitest";
import { defineConfig } from "../../../lib/config.ts";
import { useRestores } from "../../support/restores.ts";
import { act, keyOf, rows, start, timeBetween } from "./support.ts";

const stage = useRestores({
  config: defineConfig({
    tables: {},
    restores: { approval: [{ targets: ["transaction"] }, { rowsOver: 2 }] },
  }),
});

beforeEach(() =>
  stage.sql(`
    drop table if exists things;
    create table things (id int primary key, name text);
    select audit.track('things');
    insert into things select g, 'good' from generate_series(1, 3) g;
  `),
);

const began = async (target: unknown) => {
  const { status, body } = await start(stage, target);
  expect(status, JSON.stringify(body)).toBe(202);
  return body;
};

test("a restore of more rows than a rule allows waits for another person, one of as many does not", async () => {
  const at = await timeBetween(stage);
  await stage.sql("update things set name = 'bad' where id < 3");
  const few = await began({ tables: ["public.things"], at });
  expect(few).toMatchObject({ status: "running", approval: null });
  await stage.ended(few.id);
  await stage.sql("update things set name = 'bad'");
  const many = await began({ tables: ["public.things"], at });
  expect(many).toMatchObject({
    status: "awaiting_approval",
    approval: { why: expect.stringContaining("2") },
  });
});

test("a rule about a kind of target is about its rollback, too", async () => {
  await stage.sql("update things set name = 'bad' where id = 1");
  const asRecord = await began({ table: "public.things", recordId: "1" });
  expect(asRecord.status).toBe("running");
  await stage.ended(asRecord.id);
  expect((await act(stage, asRecord.id, "rollback")).body.status).toBe("running");

  await stage.sql("update things set name = 'bad' where id = 2");
  const [entry] = await rows(
    stage,
    "select max(txid::text::bigint)::text as id from audit.audit_logs where record_id = '2'",
  );
  const asTransaction = await began({ transactionId: entry?.id });
  expect(asTransaction.status).toBe("awaiting_approval");
  await act(stage, asTransaction.id, "approve", await keyOf(stage, "bob"));
  expect(await stage.ended(asTransaction.id)).toMatchObject({ status: "completed" });
  expect((await act(stage, asTransaction.id, "rollback")).body.status).toBe("awaiting_approval");
});
