import { serve as listen } from "@hono/node-server";
import { Hono } from "hono";
import { Inngest, type Context } from "inngest";
import { serve } from "inngest/hono";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

/** The function host that gets killed: `node --import tsx inngest-host.ts <port> <database url>`. */
const [port, connectionString] = process.argv.slice(2);
const WORK_MAX_MS = 60;
const RETRIES = 20;

const pool = new pg.Pool({ connectionString, max: 4 });
pool.on("error", () => {});
const quiet = { info() {}, warn() {}, error() {}, debug() {} };
const client = new Inngest({ id: "kill", logger: quiet });

type Step = Context.Any["step"];

/** One step: says that it began, works for a moment, then applies its effect, which a key makes happen once. */
function act(step: Step, runId: string, key: string, name: string): Promise<string> {
  return step.run(name, async () => {
    const begun = await pool.query<{ nth: string }>(
      `insert into kill.executions (run_id, step, key)
       values ($1, $2, $3)
       returning (select count(*) from kill.executions where run_id = $1 and step = $2) as nth`,
      [runId, name, key],
    );
    await sleep(Math.random() * WORK_MAX_MS);
    if (name === "stumble" && begun.rows[0]?.nth === "0") throw new Error("stumbled");
    await pool.query(
      `with applied as (
         insert into kill.effects (key, step)
         values ($1, $2)
         on conflict do nothing
         returning key
       )
       update kill.ledger
       set applied = applied + (select count(*) from applied)`,
      [key, name],
    );
    return `${name} of ${key}`;
  });
}

const ship = client.createFunction(
  { id: "ship", retries: RETRIES, triggers: { event: "kill/ship" } },
  async ({ event, step, runId }) => {
    const key = event.data.key as string;
    await act(step, runId, key, "load");
    return act(step, runId, key, "drive");
  },
);

const pay = client.createFunction(
  { id: "pay", retries: RETRIES, triggers: { event: "kill/bill" } },
  async ({ event, step, runId }) => {
    const key = event.data.key as string;
    await act(step, runId, key, "charge");
    await step.sendEvent("say paid", { name: "kill/paid", id: `paid-${key}`, data: { key } });
  },
);

const order = client.createFunction(
  { id: "order", retries: RETRIES, triggers: { event: "kill/order" } },
  async ({ event, step, runId }) => {
    const key = event.data.key as string;
    const reserved = await act(step, runId, key, "reserve");
    await act(step, runId, key, "stumble");
    await Promise.all([
      act(step, runId, key, "pack"),
      act(step, runId, key, "label"),
      step.sleep("rest", "1s"),
    ]);
    const [paid] = await Promise.all([
      step.waitForEvent("paid", {
        event: "kill/paid",
        timeout: "10m",
        if: "async.data.key == event.data.key",
      }),
      step.sendEvent("bill", { name: "kill/bill", id: `bill-${key}`, data: { key } }),
    ]);
    const shipped = await step.invoke("ship", { function: ship, data: { key } });
    await act(step, runId, key, "close");
    return { reserved, paid: paid?.data.key as string, shipped };
  },
);

const app = new Hono().on(
  ["GET", "PUT", "POST"],
  "/api/inngest",
  serve({ client, functions: [order, pay, ship] }),
);
listen({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(port) }, () =>
  process.stdout.write("ready\n"),
);
