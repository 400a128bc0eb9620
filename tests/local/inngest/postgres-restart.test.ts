import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { startInngest } from "../../../local/inngest/index.ts";
import { startPostgres } from "../../../local/postgres/index.ts";
import { closeHost, Journal, openHost, Stage, until, urlOf } from "../../conformance/stage.ts";

/** A server of this test's own: restarting the suite's would end the other tests. */
test(
  "the executor outlives a restart of Postgres, and a step that ended meanwhile is stored",
  { timeout: 60_000 },
  async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "inngest-restart-"));
    fs.chmodSync(folder, 0o755);
    let postgres = await startPostgres({ dataDir: folder, settings: { fsync: "off" } });
    const executor = await startInngest({ databaseUrl: postgres.url(), log() {} });
    const stage = new Stage();
    const journal = new Journal();
    let finish: (() => void) | undefined;
    const actor = stage.actor({ id: "through", retries: 3 }, async ({ step }) => {
      await step.run("during", async () => {
        journal.note("through", "during");
        await new Promise<void>((resolve) => (finish = resolve));
      });
      await step.run("after", () => journal.note("through", "after"));
      return "through";
    });
    const host = await openHost(stage.open(executor.url));
    try {
      await fetch(urlOf(host), { method: "PUT" });
      const runId = await stage.runOf(await actor.send());
      const { port } = postgres;
      const end = await until(() => finish);
      await postgres.stop();
      end();
      postgres = await startPostgres({ dataDir: folder, port, settings: { fsync: "off" } });
      expect((await stage.ended(runId)).output).toBe("through");
      expect(journal.of("through")).toEqual(["during", "after"]);
    } finally {
      await executor.stop();
      await closeHost(host);
      await postgres.stop();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
);
