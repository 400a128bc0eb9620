import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { startInngest } from "../../../local/inngest/index.ts";
import { startPostgres } from "../../../local/postgres/index.ts";
import { closeHost, Journal, openHost, Stage, until, urlOf } from "../../conformance/stage.ts";
import { quietPort } from "../../support/ports.ts";

/** A server of this test's own: restarting the suite's would end the other tests. */
test(
  "the executor outlives a restart of Postgres, and a step that ended meanwhile is stored",
  { timeout: 60_000 },
  async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "inngest-restart-"));
    fs.chmodSync(folder, 0o755);
    const settings = { dataDir: folder, port: await quietPort(), settings: { fsync: "off" } };
    let postgres = await startPostgres(settings);
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
      const end = await until(() => finish);
      await postgres.stop();
      end();
      postgres = await startPostgres(settings);
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
