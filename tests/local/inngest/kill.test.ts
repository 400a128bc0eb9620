import { expect, test } from "vitest";
import { runKills } from "../../faults/inngest-harness.ts";
import { useEmptyDatabase } from "./empty-database.ts";

const database = useEmptyDatabase();
const KILLS = 8;

test(
  "no run is lost and no stored step runs again when executor and function host are killed",
  { timeout: 90_000 },
  async () => {
    const seed = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
    const verdict = await runKills({ databaseUrl: database.url(), kills: KILLS, seed });
    expect(verdict, `seed ${seed}`).toMatchObject({
      lost: [],
      rerunStored: [],
      wrongEffects: [],
      crashes: [],
    });
    expect(verdict.orders).toBeGreaterThan(0);
  },
);
