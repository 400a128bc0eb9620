import { NonRetriableError, RetryAfterError, StepError } from "inngest";
import { describe, expect, test } from "vitest";
import { Journal, until, useStage } from "./stage.ts";

const stage = useStage();
const journal = new Journal();
const RETRY_MS = 1_000;

/** Fails until it was called `times` times for `key`, asking for a retry after a second. */
function failUntil(times: number, key: string | undefined, what: string): string {
  journal.note(key, what);
  const calls = journal.of(key ?? "").filter((note) => note === what).length;
  if (calls < times) throw new RetryAfterError(`${what} failed`, RETRY_MS);
  return `${what} at ${calls}`;
}

describe.concurrent("a function that", () => {
  const thrower = stage.actor({ id: "thrower", retries: 3 }, async ({ event, attempt }) => {
    journal.note(event.data.key, `attempt ${attempt}`);
    if (attempt < 2) throw new RetryAfterError("not yet", RETRY_MS);
    return attempt;
  });

  test("throws outside of steps is tried again, and knows which attempt it is", async () => {
    expect((await thrower.run({ key: "thrower" })).output).toBe(2);
    expect(journal.of("thrower")).toEqual(["attempt 0", "attempt 1", "attempt 2"]);
  });

  const impatient = stage.actor({ id: "impatient", retries: 1 }, async ({ event }) => {
    journal.note(event.data.key, String(Date.now()));
    if (journal.of(event.data.key ?? "").length < 2) throw new RetryAfterError("later", 2_000);
  });

  test("throws a RetryAfterError is called when it asked for, not before", async () => {
    await impatient.run({ key: "impatient" });
    const [first, second] = journal.of("impatient").map(Number) as [number, number];
    expect(second - first).toBeGreaterThanOrEqual(1_900);
  });

  const plain = stage.actor({ id: "plain", retries: 1 }, async ({ event }) => {
    journal.note(event.data.key, "called");
    if (journal.of(event.data.key ?? "").length < 2) throw new Error("plain");
    return "in the end";
  });

  test(
    "throws a plain error is tried again after the server's own back-off",
    { timeout: 110_000 },
    async () => {
      expect((await plain.run({ key: "plain" })).output).toBe("in the end");
    },
  );

  const perStep = stage.actor({ id: "per-step", retries: 1 }, async ({ event, step }) => [
    await step.run("a", () => failUntil(2, event.data.key, "a")),
    await step.run("b", () => failUntil(2, event.data.key, "b")),
  ]);

  test("has failing steps gets its retries for each step anew", async () => {
    const run = await perStep.run({ key: "per-step" });
    expect(run.output).toEqual(["a at 2", "b at 2"]);
    expect(journal.of("per-step")).toEqual(["a", "a", "b", "b"]);
  });

  const catcher = stage.actor({ id: "catcher", retries: 1 }, async ({ event, step }) => {
    try {
      await step.run("hopeless", () => failUntil(99, event.data.key, "hopeless"));
    } catch (error) {
      const caught = error as Error;
      return step.run("recover", () => [caught instanceof StepError, caught.message]);
    }
    return "not reached";
  });

  test("has a step that fails for good can catch its error and go on", async () => {
    const run = await catcher.run({ key: "catcher" });
    expect(run.output).toEqual([true, "hopeless failed"]);
    expect(journal.of("catcher")).toEqual(["hopeless", "hopeless"]);
  });

  const parallelCatcher = stage.actor({ id: "parallel-catcher", retries: 0 }, async ({ step }) => {
    const outcomes = await Promise.allSettled([
      step.run("good", () => "good"),
      step.run("bad", () => {
        throw new Error("bad");
      }),
    ]);
    return step.run("report", () => outcomes.map((outcome) => outcome.status));
  });

  test("has one failing step among parallel ones sees which", async () => {
    expect((await parallelCatcher.run()).output).toEqual(["fulfilled", "rejected"]);
  });

  const refuser = stage.actor(
    {
      id: "refuser",
      retries: 5,
      onFailure: async ({ event, error, step }) => {
        const failed = event.data as unknown as {
          function_id: string;
          run_id: string;
          event: { data: { key: string } };
        };
        await step.run("note", () => {
          journal.note(
            failed.event.data.key,
            `onFailure ${failed.function_id} ${failed.run_id} ${error?.message}`,
          );
        });
      },
    },
    async ({ event }) => {
      journal.note(event.data.key, "called");
      throw new NonRetriableError("never");
    },
  );
  const watcher = stage.actor(
    { id: "watcher", triggers: { event: "inngest/function.failed" } },
    async ({ event }) => {
      const failed = event.data as unknown as {
        function_id: string;
        run_id: string;
        error: { message: string };
      };
      journal.note(`watched ${failed.run_id}`, `${failed.function_id} ${failed.error.message}`);
    },
  );

  test("throws a NonRetriableError fails at once, and onFailure hears of it with the first event", async () => {
    const run = await refuser.run({ key: "refuser" });
    expect(run.status).toBe("Failed");
    const id = `${stage.app}-refuser`;
    await until(() => journal.of("refuser").length >= 2 || undefined);
    expect(journal.of("refuser")).toEqual(["called", `onFailure ${id} ${run.run_id} never`]);
    await until(() => journal.of(`watched ${run.run_id}`).length > 0 || undefined);
    expect(journal.of(`watched ${run.run_id}`)).toEqual([`${id} never`]);
    expect(watcher.id).toBe("watcher");
  });

  const exhausted = stage.actor(
    {
      id: "exhausted",
      retries: 1,
      onFailure: async ({ event, error }) => {
        const failed = event.data as unknown as { event: { data: { key: string } } };
        journal.note(failed.event.data.key, `onFailure ${error?.message}`);
      },
    },
    async ({ event, step }) => step.run("fail", () => failUntil(99, event.data.key, "fail")),
  );

  test("uses up its retries fails, and onFailure hears of it once", async () => {
    const run = await exhausted.run({ key: "exhausted" });
    expect(run.status).toBe("Failed");
    await until(() => journal.of("exhausted").length >= 3 || undefined);
    expect(journal.of("exhausted")).toEqual(["fail", "fail", "onFailure fail failed"]);
  });
});
