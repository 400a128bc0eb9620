import { cron } from "inngest";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Journal, TICK, until, useStage } from "./stage.ts";

const stage = useStage();
const journal = new Journal();
/** Long enough for a second run to show, were there one. */
const SETTLE_MS = 1_500;

describe.concurrent("a function that", () => {
  const listener = stage.actor({ id: "listener", retries: 0 }, async ({ event }) => {
    journal.note(event.data.key, `listener ${event.id ?? ""}`);
  });
  stage.actor({ id: "other", retries: 0, triggers: { event: listener.event } }, async ({ event }) => {
    journal.note(event.data.key, "other");
  });

  test("shares its event with another: both run", async () => {
    const eventId = await listener.send({ key: "shared" });
    const runs = await until(async () => {
      const found = await stage.runsOf(eventId);
      return found.length >= 2 ? found : undefined;
    });
    for (const run of runs) expect((await stage.ended(run.run_id)).status).toBe("Completed");
    expect(
      journal
        .of("shared")
        .map((note) => note.split(" ")[0])
        .toSorted(),
    ).toEqual(["listener", "other"]);
  });

  test("is sent an event with the same id twice runs once, and sees that id", async () => {
    const id = `${stage.app}-same`;
    await listener.send({ key: "same" }, id);
    await listener.send({ key: "same" }, id);
    await until(() => journal.of("same").length >= 2 || undefined);
    await sleep(SETTLE_MS);
    expect(journal.of("same").toSorted()).toEqual([`listener ${id}`, "other"]);
  });

  test("is sent many events in one request runs for each", async () => {
    const events = [1, 2, 3].map((n) => ({ name: listener.event, data: { key: `batch ${n}` } }));
    const { ids } = await stage.client.send(events);
    expect(new Set(ids).size).toBe(3);
    for (const n of [1, 2, 3]) await until(() => journal.of(`batch ${n}`).length >= 2 || undefined);
  });

  const chooser = stage.actor(
    {
      id: "chooser",
      retries: 0,
      triggers: { event: `${stage.app}/choose`, if: "event.data.kind == 'wanted'" },
    },
    async ({ event }) => journal.note(event.data.key, event.data.kind ?? ""),
  );

  test("has a condition on its event runs only where it holds", async () => {
    await stage.send(`${stage.app}/choose`, { key: "choice", kind: "unwanted" });
    await stage.send(`${stage.app}/choose`, { key: "choice", kind: "wanted" });
    await until(() => journal.of("choice").length >= 1 || undefined);
    await sleep(SETTLE_MS);
    expect(journal.of("choice")).toEqual(["wanted"]);
    expect(chooser.id).toBe("chooser");
  });

  const waiter = stage.actor({ id: "waiter", retries: 0 }, async ({ event, step }) => {
    await step.run("ready", () => journal.note(event.data.key, "ready"));
    const answer = await step.waitForEvent("answer", {
      event: `${stage.app}/answered`,
      timeout: event.data.timeout ?? "1m",
      if: "async.data.key == event.data.key && async.data.verdict == 'yes'",
    });
    return answer && { name: answer.name, by: (answer.data as { by: string }).by };
  });

  test("waits for an event gets the one that matches, and no other", async () => {
    const runId = await stage.runOf(await waiter.send({ key: "wait" }));
    await until(() => journal.of("wait").length > 0 || undefined);
    await sleep(SETTLE_MS);
    await stage.send(`${stage.app}/answered`, { key: "another", verdict: "yes", by: "another" });
    await stage.send(`${stage.app}/answered`, { key: "wait", verdict: "no", by: "nay-sayer" });
    await sleep(SETTLE_MS);
    await stage.send(`${stage.app}/answered`, { key: "wait", verdict: "yes", by: "yea-sayer" });
    const run = await stage.ended(runId);
    expect(run.output).toEqual({ name: `${stage.app}/answered`, by: "yea-sayer" });
  });

  test("waits for an event that does not come gets null after the time-out", async () => {
    const run = await waiter.run({ key: "in vain", timeout: "1s" });
    expect(run).toMatchObject({ status: "Completed", output: null });
  });

  const cancellable = stage.actor(
    {
      id: "cancellable",
      retries: 0,
      cancelOn: [{ event: `${stage.app}/stop`, if: "async.data.key == event.data.key" }],
    },
    async ({ event, step }) => {
      await step.run("begin", () => journal.note(event.data.key, "begin"));
      await step.sleep("a while", "4s");
      await step.run("end", () => journal.note(event.data.key, "end"));
    },
  );

  test("is cancelled by a matching event stops; one that does not match goes on", async () => {
    const stopped = await stage.runOf(await cancellable.send({ key: "stop me" }));
    const spared = await stage.runOf(await cancellable.send({ key: "spare me" }));
    await until(() => (journal.of("stop me").length > 0 && journal.of("spare me").length > 0) || undefined);
    await stage.send(`${stage.app}/stop`, { key: "stop me" });
    expect((await stage.ended(stopped)).status).toBe("Cancelled");
    expect((await stage.ended(spared)).status).toBe("Completed");
    expect(journal.of("stop me")).toEqual(["begin"]);
    expect(journal.of("spare me")).toEqual(["begin", "end"]);
  });

  const ticker = stage.actor({ id: "ticker", retries: 0, triggers: cron(TICK) }, async ({ event }) => {
    journal.note("ticker", event.name);
    return event.name;
  });
  const nightly = stage.actor(
    { id: "nightly", retries: 0, triggers: cron("TZ=UTC 0 2 * * *") },
    async ({ event, step }) => step.run("note", () => journal.note("nightly", event.name)),
  );

  test("has a cron runs at its tick, once", { timeout: 110_000 }, async () => {
    await stage.hurryCron(`${stage.app}-${ticker.id}`);
    await until(() => journal.of("ticker").length > 0 || undefined);
    await sleep(SETTLE_MS);
    expect(journal.of("ticker")).toEqual(["inngest/scheduled.timer"]);
  });

  test("has a cron can be run on demand", async () => {
    const response = await fetch(new URL(`/invoke/${stage.app}-${nightly.id}`, stage.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ data: {} }),
    });
    expect(response.status).toBe(200);
    await until(() => journal.of("nightly").length > 0 || undefined);
    expect(journal.of("nightly")).toEqual(["inngest/function.invoked"]);
  });
});
