import type { ServerType } from "@hono/node-server";
import { afterEach, expect } from "vitest";
import { startInngest, type InngestServer } from "../../../local/inngest/index.ts";
import { closeHost, Journal, openHost, Stage, urlOf, type Actor } from "../../conformance/stage.ts";
import { useEmptyDatabase, type EmptyDatabase } from "./empty-database.ts";

export interface Rig {
  database: EmptyDatabase;
  /** Starts an executor that is stopped after the test. */
  executor(appUrls?: string[]): Promise<InngestServer>;
  /** Serves a stage's functions, with the executor at `url`, until the test is over. */
  host(stage: Stage, url: string, port?: number): Promise<ServerType>;
}

/** Executors and function hosts on a database of this test file's own. */
export function useRig(): Rig {
  const database = useEmptyDatabase();
  const open: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).toReversed()) await one.stop();
  });
  return {
    database,
    async executor(appUrls = []) {
      const options = { databaseUrl: database.url(), retryBackoffMs: [100], appUrls, log() {} };
      const server = await startInngest(options);
      open.push(server);
      return server;
    },
    async host(stage, url, port = 0) {
      const server = await openHost(stage.open(url), port);
      open.push({ stop: () => closeHost(server) });
      return server;
    },
  };
}

export async function register(server: ServerType): Promise<void> {
  expect((await fetch(urlOf(server), { method: "PUT" })).status).toBe(200);
}

/** A stage with one function: a step, a sleep of a second, a step. The journal says which ran. */
export function napper(): { stage: Stage; journal: Journal; actor: Actor } {
  const stage = new Stage();
  const journal = new Journal();
  const actor = stage.actor({ id: "napper", retries: 4 }, async ({ event, step }) => {
    const before = await step.run("before", () => {
      journal.note(event.data.key, "before");
      return event.data.key;
    });
    await step.sleep("nap", "1s");
    await step.run("after", () => journal.note(event.data.key, "after"));
    return before;
  });
  return { stage, journal, actor };
}
