import { beforeEach, describe, expect, test } from "vitest";
import { useRestores } from "../../support/restores.ts";

const stage = useRestores();
const { sql } = stage;

beforeEach(async () => {
  await sql(`
    drop table if exists venues, customers cascade;
    create table customers (id uuid primary key default gen_random_uuid(), name text not null, plan text, updated_at timestamptz default now());
    create table venues (id int generated always as identity primary key, customer_id uuid not null references customers on delete cascade, name text);
    select audit.track('customers'), audit.track('venues');
    insert into customers (id, name, plan) values ('00000000-0000-4000-8000-000000000001', 'Ada', 'pro'), ('00000000-0000-4000-8000-000000000002', 'Bob', 'free');
    insert into venues (customer_id, name) select '00000000-0000-4000-8000-000000000001', 'v' || n from generate_series(1, 3) n;
  `);
});

const ADA = "00000000-0000-4000-8000-000000000001";
const all = async () => ({
  customers: await sql("select * from customers order by id"),
  venues: await sql("select * from venues order by id"),
});

describe("a deleted record whose children went with it", () => {
  test("comes back whole, and rolling back puts everything as it was", async () => {
    const before = await all();
    await sql("delete from customers where id = $1", [ADA]);
    const after = await all();
    const target = { table: "public.customers", recordId: ADA };

    const preview = await stage.preview(target);
    expect(preview.body).toMatchObject({ status: "planned", itemCount: 4, problems: [] });
    expect(await all()).toEqual(after);

    const run = await stage.restore(target);
    expect(run).toMatchObject({ status: "completed", error: null, appliedCount: 4, progressPercent: 100 });
    expect(await all()).toEqual(before);

    const rollback = await stage.call("POST", `/restores/${run.id}/rollback`, { body: { reason: "try" } });
    expect(rollback.status).toBe(202);
    expect(await stage.ended(rollback.body.id)).toMatchObject({ status: "completed", error: null });
    expect(await all()).toEqual(after);
    expect((await stage.call("GET", `/restores/${run.id}`)).body.status).toBe("rolled_back");
  });
});
