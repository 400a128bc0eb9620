import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { analytics } from "../../bench/analytics.ts";
import { archive } from "../../bench/archive.ts";
import { batchIngest } from "../../bench/batch-ingest.ts";
import { capture } from "../../bench/capture.ts";
import { client } from "../../bench/client.ts";
import { cold } from "../../bench/cold.ts";
import { hotWorkspace } from "../../bench/hot-workspace.ts";
import { memory } from "../../bench/memory.ts";
import { months } from "../../bench/months.ts";
import { reads } from "../../bench/reads.ts";
import { restore } from "../../bench/restore.ts";
import { rowHistory } from "../../bench/row-history.ts";
import { singleEvent } from "../../bench/single-event.ts";
import { start } from "../../bench/start.ts";
import { makeEvents } from "../../bench/support/rows.ts";
import { machineFacts, toMarkdown, writeBetweenMarkers } from "../../bench/support/report.ts";
import { openReference, singleInsert } from "../../bench/support/reference.ts";
import { interleave } from "../../bench/support/rounds.ts";
import { Stage } from "../../bench/support/stage.ts";
import type { Sizes } from "../../bench/support/measure.ts";

const TIMEOUT_MS = 240_000;
const TINY: Sizes = {
  batches: 2,
  batchRows: 20,
  singles: 40,
  fill: [20_000, 25_000],
  reads: 4,
  starts: 1,
  memoryRequests: [120, 80],
  restoreRows: 500,
  historyRows: [2_000, 4_000],
  cold: { months: 2, rows: 300 },
  capture: { singles: 20, bulk: 100, memoryRows: 500 },
  archiveRows: 12_000,
  archiveRounds: 1,
  monthRows: 200,
  clientEvents: 100,
  trails: [2_000, 5_000],
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-bench-"));
let stage: Stage;
beforeAll(async () => {
  const settings = { fsync: "off", shared_buffers: "128MB", max_connections: "60" };
  stage = await Stage.open({ dataDir: folder, say: () => undefined, settings });
});
afterAll(async () => {
  await stage.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe("each measure runs, and what was acknowledged is stored", () => {
  // The measures themselves throw when a count is off or a request failed.
  test.each([
    [batchIngest, 3],
    [singleEvent, 2],
    [hotWorkspace, 3],
    [reads, 14],
    [memory, 4],
    [start, 4],
    [restore, 4],
    [rowHistory, 2],
    [cold, 19],
    [capture, 8],
    [archive, 3],
    [months, 12],
    [client, 5],
    [analytics, 3],
  ])(
    "$name",
    async (measure, lines) => {
      const result = await measure.run({ stage, sizes: TINY, rounds: 1, variants: ["pg", "neon"] });
      expect(result.findings).toHaveLength(lines);
      for (const { ours, ratios } of result.findings) {
        expect(ours).toMatch(/\d/);
        expect(ratios.every((ratio) => ratio > 0 && Number.isFinite(ratio))).toBe(true);
      }
      expect(toMarkdown(result).split("\n")[0]).toContain("| measure |");
    },
    TIMEOUT_MS,
  );
});

describe("figures that would lie are refused", () => {
  test("a slice that claims a row more than is stored", async () => {
    const database = await stage.database("bench_lies", { fresh: true });
    const reference = await openReference(database.appUrl, 2);
    const slice = (claimed: number) => async (time: <T>(work: () => Promise<T>) => Promise<T>) => {
      await time(() => reference.run(makeEvents(5, claimed, { workspaces: 2 }).map(singleInsert)));
      return claimed;
    };
    const run = (claimed: number) =>
      interleave([{ name: "INSERT", slice: slice(claimed) }], 1, database, () => undefined);
    await expect(run(6)).rejects.toThrow("INSERT was told of 6 rows, but 5 are stored");
    expect((await run(5)).get("INSERT")).toHaveLength(1);
    await reference.close();
  });

  test("an INSERT of the reference that stores less than it was given", async () => {
    const database = await stage.database("bench_lies", { fresh: false });
    const reference = await openReference(database.appUrl, 1);
    const [event] = makeEvents(1, 1, { workspaces: 1 });
    const statement = { ...singleInsert(event as NonNullable<typeof event>), rows: 2 };
    await expect(reference.run([statement])).rejects.toThrow("inserted 1 of 2 rows");
    await reference.close();
  });
});

test("the same seed makes the same events, of half a kilobyte to one and a half", () => {
  const [one, two] = [makeEvents(50, 7, { workspaces: 3 }), makeEvents(50, 7, { workspaces: 3 })];
  expect(one).toEqual(two);
  expect(makeEvents(50, 8, { workspaces: 3 })).not.toEqual(one);
  const sizes = one.map((event) => JSON.stringify(event).length);
  expect(Math.min(...sizes)).toBeGreaterThan(500);
  expect(Math.max(...sizes)).toBeLessThan(1_500);
});

test("tables are written between the markers of their measure, again and again, and nowhere else", async () => {
  const file = path.join(folder, "PERFORMANCE.md");
  fs.writeFileSync(file, "before\n<!-- bench:one -->\nold\n<!-- /bench:one -->\nafter\n");
  for (const text of ["first", "second"]) writeBetweenMarkers(file, "one", text);
  expect(fs.readFileSync(file, "utf8")).toBe(
    "before\n<!-- bench:one -->\nsecond\n<!-- /bench:one -->\nafter\n",
  );
  expect(() => writeBetweenMarkers(file, "two", "text")).toThrow("no place for two");
});

test("the machine's line names the settings that matter", async () => {
  const facts = await machineFacts(await stage.database("bench_lies", { fresh: false }));
  expect(facts).toMatch(/\d+ cores .* PostgreSQL \d+.* \(fsync off, synchronous_commit on, /);
});
