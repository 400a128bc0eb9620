import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { startInngest, type InngestServer } from "../../../local/inngest/index.ts";
import { closeHost, Journal, openHost, Stage, until, urlOf } from "../../conformance/stage.ts";
import { quietPort } from "../../support/ports.ts";
import { napper, register, useRig } from "./rig.ts";

/** What Inngest's server does otherwise or not at all; what all servers do is in tests/conformance. */

const { database, executor, host } = useRig();
const SETTLE_MS = 1_000;

describe("the executor", () => {
  test("goes on with the runs of one that was stopped, without repeating their steps", async () => {
    const { stage, journal, actor } = napper();
    const first = await startInngest({ databaseUrl: database.url(), log() {} });
    await register(await host(stage, first.url));
    const runId = await stage.runOf(await actor.send({ key: "handed over" }));
    await until(() => journal.of("handed over").length > 0 || undefined);
    await first.stop();
    stage.url = (await executor()).url;
    expect((await stage.ended(runId)).output).toBe("handed over");
    expect(journal.of("handed over")).toEqual(["before", "after"]);
  });

  test("waits while another works on the same database, and takes over when it ends", async () => {
    const { stage, journal, actor } = napper();
    const first = await startInngest({ databaseUrl: database.url(), log() {} });
    const second = await executor();
    await register(await host(stage, second.url));
    await sleep(SETTLE_MS / 2);
    const eventId = await actor.send({ key: "two" });
    await sleep(SETTLE_MS / 2);
    await first.stop();
    expect((await stage.ended(await stage.runOf(eventId))).status).toBe("Completed");
    expect(journal.of("two")).toEqual(["before", "after"]);
  });

  test("goes on after all its connections were cut", async () => {
    const { stage, journal, actor } = napper();
    await register(await host(stage, (await executor()).url));
    const runId = await stage.runOf(await actor.send({ key: "cut" }));
    await until(() => journal.of("cut").length > 0 || undefined);
    await database.rows(
      `select pg_terminate_backend(pid)
       from pg_stat_activity
       where datname = current_database()
       and application_name like 'afterimage-inngest%'`,
    );
    expect((await until(() => stage.ended(runId).catch(() => undefined))).output).toBe("cut");
    expect(journal.of("cut")).toEqual(["before", "after"]);
  });

  test("registers an app it is given as soon as it is up, and again when it comes back changed", async () => {
    const { stage, actor } = napper();
    const port = await quietPort();
    const server = await executor([`http://127.0.0.1:${port}/api/inngest`]);
    const up = await openHost(stage.open(server.url), port);
    await until(async () => (await functionsOf(server, stage)).includes(`${stage.app}-napper`) || undefined);
    expect((await actor.run({ key: "up" })).status).toBe("Completed");
    await closeHost(up);
    stage.actor({ id: "newcomer" }, async () => "new");
    await host(stage, server.url, port);
    await until(
      async () => (await functionsOf(server, stage)).includes(`${stage.app}-newcomer`) || undefined,
    );
  });

  test("tries a host that is away as often as a step may be tried, then fails the run", async () => {
    const { stage, actor } = napper();
    const server = await host(stage, (await executor()).url);
    await register(server);
    await closeHost(server);
    const run = await actor.run({ key: "away" });
    expect(run).toMatchObject({ status: "Failed", output: { name: "UnreachableError" } });
  });

  test("does not use up attempts on an app it was given that is still starting", async () => {
    const { stage, actor } = napper();
    const [port, hostPort] = [await quietPort(), await quietPort()];
    const first = await startInngest({ databaseUrl: database.url(), port, log() {} });
    const server = await openHost(stage.open(first.url), hostPort);
    const appUrl = urlOf(server);
    await register(server);
    await first.stop();
    await closeHost(server);
    const options = { databaseUrl: database.url(), port, appUrls: [appUrl], retryBackoffMs: [10], log() {} };
    const second = await startInngest(options);
    try {
      const runId = await stage.runOf(await actor.send({ key: "starting" }));
      await sleep(SETTLE_MS);
      await host(stage, second.url, hostPort);
      expect((await stage.ended(runId)).status).toBe("Completed");
    } finally {
      await second.stop();
    }
  });

  test("fires a cron that was missed once, however often it was missed", async () => {
    const stage = new Stage();
    const journal = new Journal();
    // Once a year: a tick by the clock would be a second one.
    stage.actor({ id: "missed", triggers: { cron: "TZ=UTC 0 4 17 6 *" } }, async ({ event }) => {
      journal.note("missed", event.name);
    });
    const first = await startInngest({ databaseUrl: database.url(), log() {} });
    await register(await host(stage, first.url));
    await first.stop();
    await database.rows(
      "update inngest.crons set next_at = now() - interval '5 years' where function_id = $1",
      [`${stage.app}-missed`],
    );
    await executor();
    await until(() => journal.of("missed").length > 0 || undefined);
    await sleep(SETTLE_MS);
    expect(journal.of("missed")).toEqual(["inngest/scheduled.timer"]);
  });

  test("keeps step results that JSON allows and databases do not", async () => {
    const stage = new Stage();
    const odd = 'NUL \0, lone \ud800, quote ", \u2028 and emoji 🧾';
    const actor = stage.actor({ id: "odd" }, async ({ step }) => {
      const text = await step.run("odd", () => odd);
      await step.sleep("let go of the request", "1s");
      return step.run("compare", () => text === odd);
    });
    await register(await host(stage, (await executor()).url));
    expect((await actor.run()).output).toBe(true);
  });

  test("goes on with the winner of a race at once; the SDK ends the run when the loser is done", async () => {
    const stage = new Stage();
    const actor = stage.actor({ id: "racer", retries: 0 }, async ({ step, group }) => {
      const winner = await group.parallel({ mode: "race" }, async () =>
        Promise.race([step.run("quick", () => "quick"), step.sleep("slow", "3s").then(() => "slow")]),
      );
      return step.run("tell", () => ({ winner, at: Date.now() }));
    });
    await register(await host(stage, (await executor()).url));
    const since = Date.now();
    const { winner, at } = (await actor.run()).output as { winner: string; at: number };
    expect(winner).toBe("quick");
    // The loser takes three seconds.
    expect(at - since).toBeLessThan(3_000);
  });

  test("takes a checkpoint of the newest call of a job, and refuses one of an earlier call", async () => {
    const stage = new Stage();
    let finish: (() => void) | undefined;
    const actor = stage.actor({ id: "slow" }, async ({ step }) =>
      step.run("slow", () => new Promise<void>((resolve) => (finish = resolve))),
    );
    const { url } = await executor();
    await register(await host(stage, url));
    const runId = await stage.runOf(await actor.send());
    const job = await until(async () => {
      const [row] = await database.rows<{ id: string; generation: number }>(
        "select id, generation from inngest.jobs where run_id = $1 and claimed_by is not null",
        [runId],
      );
      return row;
    });
    const checkpoint = async (generation: number, step: string) => {
      const steps = [{ id: step, op: "StepRun", data: 1 }];
      const body = JSON.stringify({ qi_id: job.id, generation_id: generation, steps });
      return (await fetch(`${url}/v1/checkpoint/${runId}/async`, { method: "POST", body })).status;
    };
    expect(await checkpoint(job.generation - 1, "stale")).toBe(409);
    expect(await checkpoint(job.generation, "fresh")).toBe(200);
    const stored = await database.rows("select step_id from inngest.steps where run_id = $1", [runId]);
    expect(stored).toEqual([{ step_id: "fresh" }]);
    (await until(() => finish))();
    await stage.ended(runId);
  });

  test("starts a function on an event that came before the function did, when it is sent again", async () => {
    const { stage, journal, actor } = napper();
    const { url } = await executor();
    const server = await host(stage, url);
    const id = `${stage.app}-early`;
    const eventId = await actor.send({ key: "early" }, id);
    await until(async () => {
      const [event] = await database.rows(
        "select from inngest.events where handled_at is not null and internal_id = $1",
        [eventId],
      );
      return event;
    });
    await register(server);
    for (let i = 0; i < 3; i++) expect(await actor.send({ key: "early" }, id)).toBe(eventId);
    await stage.ended(await stage.runOf(eventId));
    await actor.send({ key: "early" }, id);
    await sleep(SETTLE_MS);
    expect(journal.of("early")).toEqual(["before", "after"]);
  });
});

async function functionsOf(server: InngestServer, stage: Stage): Promise<string[]> {
  const { functions } = (await (await fetch(`${server.url}/dev`)).json()) as { functions: { id: string }[] };
  return functions.map((fn) => fn.id).filter((id) => id.startsWith(stage.app));
}
