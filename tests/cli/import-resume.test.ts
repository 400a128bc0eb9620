import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ImportLog } from "../../cli/import/journal.ts";
import { LineError } from "../../cli/import/parse.ts";
import { runImport, type Outcome } from "../../cli/import/run.ts";
import { createLogger } from "../../lib/logger.ts";
import { beginImport, endImport } from "../../services/imports/log.ts";
import { operatorContext } from "../../services/operator.ts";
import { randomFrom } from "../faults/random.ts";
import { newId, useApi } from "../support/api.ts";
import { useCli } from "../support/cli.ts";
import { useDatabase } from "../support/database.ts";
import { kept, rejectsOf, useFiles } from "./import-support.ts";

const BATCH_LINES = 500;
/** About two batches. */
const DELAY_MS_MAX = 40;
const api = useApi();
const other = useDatabase();
const afterimage = useCli(api.db);
const { write } = useFiles();

describe("an import that breaks off", () => {
  const file = () => write(Array.from({ length: 1_700 }, (_, n) => (n % 100 === 7 ? "broken" : { n })));
  const here: ImportLog = {
    target: "here",
    begin: async () => "1",
    isKnown: async (id) => id === "1",
    end: async () => undefined,
  };
  /** Imports numbers until the database goes away. */
  const numbers = (stored: number[], batchesMax: number, log: Partial<ImportLog> = {}) => ({
    kind: "numbers",
    parse: (text: string) => {
      if (text === "broken") throw new LineError("is broken");
      return (JSON.parse(text) as { n: number }).n;
    },
    key: String,
    store: async (items: number[]): Promise<Outcome[]> => {
      if (batchesMax-- === 0) throw new Error("the database went away");
      stored.push(...items);
      return items.map(() => "stored");
    },
    log: { ...here, ...log },
  });
  const brokenOff = async (stored: number[]) => {
    const name = file();
    await expect(runImport(name, numbers(stored, 2))).rejects.toThrow("went away");
    return name;
  };
  const whole = { lines: 1_700, stored: 1_683, updated: 0, present: 0, rejected: 17, blank: 0 };
  const rejectedLines = Array.from({ length: 17 }, (_, i) => i * 100 + 8);

  test("goes on where it ended, and its counts are those of the whole file", async () => {
    const stored: number[] = [];
    const name = await brokenOff(stored);
    fs.appendFileSync(`${name}.rejected`, "written, but not noted\n");
    expect(await runImport(name, numbers(stored, 99))).toEqual(whole);
    expect(new Set(stored).size).toBe(stored.length);
    expect(rejectsOf(name).map(({ line }) => line)).toEqual(rejectedLines);
    expect(fs.existsSync(`${name}.import.json`)).toBe(false);
  });

  test("is not gone on with while another process of this machine is at it", async () => {
    const name = await brokenOff([]);
    const note = `${name}.import.json`;
    expect((fs.statSync(note).mode & 0o777).toString(8)).toBe("600");
    const left = JSON.parse(fs.readFileSync(note, "utf8")) as object;
    fs.writeFileSync(note, JSON.stringify({ ...left, pid: process.ppid }));
    await expect(runImport(name, numbers([], 99))).rejects.toThrow(`Process ${process.ppid} is importing`);
    expect(JSON.parse(fs.readFileSync(note, "utf8"))).toEqual({ ...left, pid: process.ppid });
    fs.writeFileSync(note, JSON.stringify({ ...left, pid: process.ppid, host: "elsewhere" }));
    expect(await runImport(name, numbers([], 99))).toEqual(whole);
  });

  test.each<[what: string, log: Partial<ImportLog>, then?: (name: string) => void]>([
    ["into another place", { target: "there" }],
    ["into a database that does not know of it", { isKnown: async () => false }],
    ["after its rejects were removed", {}, (name) => fs.rmSync(`${name}.rejected`)],
    ["after its file was changed", {}, (name) => fs.utimesSync(name, 1, 1)],
  ])("begins anew %s", async (_, log, then) => {
    const name = await brokenOff([]);
    then?.(name);
    const stored: number[] = [];
    expect(await runImport(name, numbers(stored, 99, log))).toEqual(whole);
    expect(stored).toHaveLength(whole.stored);
    expect(rejectsOf(name).map(({ line }) => line)).toEqual(rejectedLines);
  });
});

interface Kind {
  kind: "trails" | "events";
  line(id: string): object;
  idsIn: string;
}

const projectId = newId("proj");
const workspaceId = newId("ws");
const trails: Kind = {
  kind: "trails",
  line: (id) => kept(id, { projectId }),
  idsIn: "select message_id as id from audit.audit_trails where message_id like $1",
};
const events: Kind = {
  kind: "events",
  line: (eventId) => ({
    eventId,
    actionType: "invoice.paid",
    resourceType: "invoice",
    resourceId: "inv-1",
    workspaceId,
    createdByUserId: "user-1",
    createdAt: "2019-03-01T08:00:00.000Z",
  }),
  idsIn: "select event_id as id from audit.every_event where event_id like $1",
};

/** A file of `count` lines, some of which are not JSON; the ids of the others begin with `prefix`. */
function fileOf({ line }: Kind, count: number) {
  const prefix = newId("id");
  const ids = Array.from({ length: count }, (_, n) => (n % 90 === 4 ? null : `${prefix}-${n}`));
  return {
    file: write(ids.map((id) => (id === null ? "broken" : line(id)))),
    prefix,
    ids: ids.filter((id) => id !== null),
    rejectedLines: ids.flatMap((id, n) => (id === null ? [n + 1] : [])),
  };
}

function linesDone(file: string): number {
  const text = fs.existsSync(`${file}.import.json`) ? fs.readFileSync(`${file}.import.json`, "utf8") : "{}";
  return (JSON.parse(text) as { counts?: { lines: number } }).counts?.lines ?? 0;
}

/** Imports until `lines` are noted, and a moment more; then kill -9. Answers what it said. */
async function importAndKill(kind: string, file: string, lines: number, delayMs: number): Promise<string> {
  const life = new AbortController();
  const running = afterimage(["import", kind, file], {}, life.signal);
  let hasEnded = false;
  void running.then(() => (hasEnded = true));
  while (!hasEnded && linesDone(file) < lines) await sleep(1);
  await sleep(delayMs);
  life.abort();
  return (await running).stdout;
}

const sorted = (rows: { id: string }[]) => rows.map(({ id }) => id).toSorted();

test.each([
  [trails, 12_000, 8],
  [events, 6_000, 5],
])(
  "killed with -9 again and again, an import of $kind stores each line once, and rejects each that is to be rejected once",
  { timeout: 120_000 },
  async (kind, count, kills) => {
    const seed = Date.now() % 2 ** 31;
    const random = randomFrom(seed);
    const { file, prefix, ids, rejectedLines } = fileOf(kind, count);
    const points = Array.from({ length: kills }, () => Math.floor(random() * count)).toSorted(
      (a, b) => a - b,
    );
    const known = async () => sorted(await api.db.rows("superuser", kind.idsIn, [`${prefix}-%`]));
    let told = "";
    let wasWhole = false;
    for (const point of [...points, Infinity]) {
      // On a slow day one comes to its end before it is killed; one that could not say so begins anew.
      if (told.includes("rejected")) break;
      wasWhole = (await known()).length === ids.length;
      told = await importAndKill(kind.kind, file, point, random() * DELAY_MS_MAX);
    }

    const [, lines, stored, present, rejected] =
      /(\d+) lines: (\d+) \w+ stored, (\d+) stored before, (\d+) rejected/.exec(told)?.map(Number) ?? [];
    expect([lines, (stored ?? 0) + (present ?? 0), rejected], `seed ${seed}`).toEqual([
      count,
      ids.length,
      rejectedLines.length,
    ]);
    // Only what was stored and not noted is met again.
    expect(present, `seed ${seed}`).toBeLessThanOrEqual(wasWhole ? ids.length : kills * BATCH_LINES);
    expect(await known()).toEqual(ids.toSorted());
    expect(rejectsOf(file).map(({ line }) => line)).toEqual(rejectedLines);
  },
);

test("an import that was broken off in one database begins anew in another, and leaves nothing out", async () => {
  // Long enough not to come to its end before it is killed.
  const { file, prefix, ids } = fileOf(trails, 12_000);
  await importAndKill("trails", file, BATCH_LINES, 0);
  expect(linesDone(file)).toBeGreaterThanOrEqual(BATCH_LINES);
  const { stdout } = await afterimage(["import", "trails", file], { DATABASE_URL: other.url("app") });
  expect(stdout).toContain(`12000 lines: ${ids.length} trails stored, 0 stored before`);
  expect(sorted(await other.rows("superuser", trails.idsIn, [`${prefix}-%`]))).toEqual(ids.toSorted());
});

test("an import that ended twice, because its note outlived it, is written down as ended once", async () => {
  const ctx = operatorContext(api.runtime.app.db, "operator:test", createLogger("silent"));
  const id = await beginImport(ctx, "trails", {});
  for (const requestId of ["first", "second"])
    await endImport({ ...ctx, requestId }, "trails", id, { lines: 1, stored: 1 });
  const { body } = await api.call("GET", `/audit/events?workspaceId=afterimage&resourceId=${id}`);
  expect(body.items.map((one: { actionType: string }) => one.actionType)).toEqual([
    "IMPORT_TRAILS",
    "IMPORT_TRAILS_STARTED",
  ]);
});
