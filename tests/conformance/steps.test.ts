import { describe, expect, test } from "vitest";
import { Journal, until, useStage } from "./stage.ts";

const stage = useStage();
const journal = new Journal();
const BIG_STEP_CHARACTERS = 2_500_000;

describe.concurrent("a function that", () => {
  const stepper = stage.actor({ id: "stepper", retries: 0 }, async ({ event, step }) => {
    const key = event.data.key;
    const first = await step.run("first", () => {
      journal.note(key, "first");
      return { z: 1, a: [`${key}-first`] };
    });
    const second = await step.run("second", () => {
      journal.note(key, "second");
      return first.a.concat("second");
    });
    return { first, second };
  });

  test("runs steps gets each result, runs each once, and ends with what it returns", async () => {
    const run = await stepper.run({ key: "steps" });
    expect(run.status).toBe("Completed");
    expect(journal.of("steps")).toEqual(["first", "second"]);
    expect(run.output).toEqual({ first: { z: 1, a: ["steps-first"] }, second: ["steps-first", "second"] });
  });

  const unbundled = stage.actor(
    { id: "unbundled", retries: 0, checkpointing: false },
    async ({ event, step }) => {
      journal.note(event.data.key, "entered");
      await step.run("a", () => journal.note(event.data.key, "a"));
      await step.run("b", () => journal.note(event.data.key, "b"));
      return "done";
    },
  );

  test("has checkpointing switched off is entered anew for each step, and each step runs once", async () => {
    const run = await unbundled.run({ key: "unbundled" });
    expect(run.output).toBe("done");
    const notes = journal.of("unbundled");
    expect(notes.filter((note) => note !== "entered")).toEqual(["a", "b"]);
    expect(notes.filter((note) => note === "entered").length).toBeGreaterThan(1);
  });

  const stumbler = stage.actor({ id: "stumbler", retries: 2 }, async ({ event, step }) => {
    const drawn = await step.run("draw", () => {
      journal.note(event.data.key, "draw");
      return { number: Math.random(), order: { z: 1, a: 2 } };
    });
    journal.note(event.data.key, `saw ${JSON.stringify(drawn)}`);
    await step.run("stumble", () => {
      journal.note(event.data.key, "stumble");
      if (journal.of(event.data.key ?? "").filter((note) => note === "stumble").length < 2) {
        throw new Error("stumbled");
      }
    });
    return drawn;
  });

  test(
    "fails in a later step keeps the earlier step's result, byte for byte",
    { timeout: 110_000 },
    async () => {
      const run = await stumbler.run({ key: "stumble" });
      const notes = journal.of("stumble");
      expect(notes.filter((note) => note === "draw")).toHaveLength(1);
      expect(notes.filter((note) => note === "stumble")).toHaveLength(2);
      expect(new Set(notes.filter((note) => note.startsWith("saw")))).toEqual(
        new Set([`saw ${JSON.stringify(run.output)}`]),
      );
    },
  );

  const parallel = stage.actor({ id: "parallel", retries: 0 }, async ({ event, step }) => {
    const work = (id: string) =>
      step.run(id, () => {
        journal.note(event.data.key, id);
        return id;
      });
    const [slept, ...results] = await Promise.all([
      step.sleep("pause", "1s"),
      work("a"),
      work("b"),
      work("c"),
    ]);
    const last = await work(`after ${results.join("")}`);
    return { slept, results, last };
  });

  test("runs steps in parallel gets all results, and goes on once", async () => {
    const run = await parallel.run({ key: "parallel" });
    expect(run.output).toEqual({ slept: null, results: ["a", "b", "c"], last: "after abc" });
    expect(journal.of("parallel").toSorted()).toEqual(["a", "after abc", "b", "c"]);
  });

  const looper = stage.actor({ id: "looper", retries: 0 }, async ({ step }) => {
    const results: number[] = [];
    for (let i = 0; i < 5; i++) results.push(await step.run("turn", () => i * 10));
    return results;
  });

  test("repeats a step id in a loop gets a result for each turn", async () => {
    expect((await looper.run()).output).toEqual([0, 10, 20, 30, 40]);
  });

  const sleeper = stage.actor({ id: "sleeper", retries: 0 }, async ({ event, step }) => {
    const before = await step.run("before", () => Date.now());
    await step.sleep("nap", "1s");
    const between = await step.run("between", () => Date.now());
    await step.sleepUntil("until", new Date(Number(event.data.until)));
    return { before, between, after: await step.run("after", () => Date.now()) };
  });

  test("sleeps goes on when the time is over, not before", async () => {
    const until = Date.now() + 3_000;
    const output = (await sleeper.run({ until: String(until) })).output as Record<string, number>;
    expect(output.between).toBeGreaterThanOrEqual((output.before ?? 0) + 1_000);
    expect(output.after).toBeGreaterThanOrEqual(until);
  });

  const quiet = stage.actor({ id: "quiet", retries: 0 }, async ({ step }) => {
    const nothing = await step.run("nothing", () => undefined);
    return step.run("compare", () => nothing === null);
  });

  test("has a step without a result gets null for it", async () => {
    expect((await quiet.run()).output).toBe(true);
  });

  const hoarder = stage.actor({ id: "hoarder", retries: 0 }, async ({ step }) => {
    const one = await step.run("one", () => "1".repeat(BIG_STEP_CHARACTERS));
    const two = await step.run("two", () => "2".repeat(BIG_STEP_CHARACTERS));
    await step.sleep("let go of the request", "1s");
    return step.run("measure", () => [one.length, two.length, one[0], two[0]]);
  });

  test("has more state than fits into a request gets all of it back", async () => {
    expect((await hoarder.run()).output).toEqual([BIG_STEP_CHARACTERS, BIG_STEP_CHARACTERS, "1", "2"]);
  });

  const heard = stage.actor({ id: "heard", retries: 0 }, async ({ event }) =>
    journal.note(event.data.key, "heard"),
  );
  const speaker = stage.actor({ id: "speaker", retries: 0 }, async ({ event, step }) => {
    const { ids } = await step.sendEvent("speak", [
      { name: heard.event, data: { key: event.data.key } },
      { name: heard.event, data: { key: event.data.key } },
    ]);
    await step.sleep("pause", "1s");
    return ids.length;
  });

  test("sends events from a step sends each once", async () => {
    expect((await speaker.run({ key: "speech" })).output).toBe(2);
    await until(() => journal.of("speech").length >= 2 || undefined);
    expect(journal.of("speech")).toEqual(["heard", "heard"]);
  });
});
