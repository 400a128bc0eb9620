import { beforeAll, describe, expect, test } from "vitest";
import { schemaOf } from "../../faults/restore-config.ts";
import { damageKinds, damageTables, fillTables, tablesOf } from "../../faults/restore-data.ts";
import { planRollback, planUndo, start } from "../../faults/restore-service.ts";
import { useRestores } from "../../support/restores.ts";

const LANE = 0;
const stage = useRestores();
const { sql } = stage;

beforeAll(() => sql(tablesOf(LANE)));

/** What the application's own trigger writes besides does not come back. */
const all = async () =>
  Promise.all(
    ["owners", "venues", "singers"].map(async (table) =>
      (await sql(`select to_jsonb(t) - 'updated_at' - 'revision' as row from ${schemaOf(LANE)}.${table} t`))
        .map(({ row }) => JSON.stringify(row))
        .sort(),
    ),
  );

describe("a restore of several chunks", () => {
  // Children by cascade, a self reference, keys that cascade, and what an earlier chunk changes of a later one's rows.
  test.each(damageKinds)("undoes what broke by %s, and its rollback breaks it again", async (damage) => {
    const run = `test-${damage}`;
    const scenario = { damage, rows: 8, phase: "rollback" } as const;
    const at = await fillTables(sql, LANE, run);
    const whole = await all();
    const undo = await damageTables(sql, { lane: LANE, run, scenario, at });
    const broken = await all();
    expect(broken).not.toEqual(whole);

    const restoreId = await planUndo(stage.flows, undo);
    await start(stage.flows, restoreId);
    const restored = await stage.ended(restoreId);
    expect(restored).toMatchObject({ status: "completed", error: null });
    expect(restored.chunkCount).toBeGreaterThan(1);
    // Rows that came after the point stay, unless asked for otherwise.
    if (damage !== "mixed") expect(await all()).toEqual(whole);

    const rollbackId = await planRollback(stage.flows, restoreId);
    await start(stage.flows, rollbackId);
    expect(await stage.ended(rollbackId)).toMatchObject({ status: "completed", error: null });
    expect(await all()).toEqual(broken);
  });
});
