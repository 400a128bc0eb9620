import { setTimeout as sleep } from "node:timers/promises";
import type { Karaoke } from "./app.ts";
import { changeAs, customerId, everything } from "./back-office.ts";
import type { Operator } from "./operator.ts";
import { chapter, command, say, table, told } from "./tell.ts";
import { venuesKey } from "./venue-service.ts";

const CUSTOMER = customerId(1);
const JOB_POLL_MS = 100;
const JOB_POLLS_MAX = 100;

/** Deletes a customer by mistake; venues, singers and song requests go with it. */
export async function deleteByMistake(karaoke: Karaoke, customer: string): Promise<void> {
  await changeAs(karaoke.db, "maya", (query) =>
    query("delete from customer_profiles where customer_profiles_id = $1", [customer]),
  );
  await karaoke.venues.forget(customer);
}

export async function tellDeletedCustomer(karaoke: Karaoke, operator: Operator): Promise<void> {
  chapter("1. A customer is deleted by mistake");
  const page = async () => (await fetch(`${karaoke.url}/customers/${CUSTOMER}`)).status;
  const venuesShown = async () =>
    ((await (await fetch(`${karaoke.url}/customers/${CUSTOMER}/venues`)).json()) as unknown[]).length;
  const cached = () => karaoke.redis.get<unknown[]>(venuesKey(CUSTOMER));
  const before = await everything(karaoke.db);
  told("the customer's page answers, with 3 venues", (await page()) === 200 && (await venuesShown()) === 3);

  say("Maya of the back office deletes Nova Nights, and means a test account of the same name.");
  await deleteByMistake(karaoke, CUSTOMER);
  told("its page is gone", (await page()) === 404);
  told("a guest's app asks for its venues and gets none", (await venuesShown()) === 0);
  told("which Redis will say for an hour, whatever the tables hold", (await cached())?.length === 0);

  say();
  say("The runbook's query finds the change:");
  const { rows } = await karaoke.db.query<Record<string, unknown>>(
    `select created_at, action, user_id, old_values ->> 'display_name' as was
     from audit.audit_logs
     where table_name = 'customer_profiles' and record_id = $1
     order by created_at desc, id desc limit 2`,
    [CUSTOMER],
  );
  table(rows);
  told("the newest entry is Maya's DELETE", rows[0]?.action === "DELETE" && rows[0].user_id === "maya");

  const target = { table: "public.customer_profiles", recordId: CUSTOMER };
  const plan = await operator.preview(target, "Deleted by mistake");
  told(
    "1 customer, 3 venues, 12 singers and 24 song requests would come back",
    plan.tables
      .map(({ insert }) => insert)
      .toSorted((a, b) => a - b)
      .join() === "1,3,12,24",
  );
  told("nothing has come back yet", (await page()) === 404);

  karaoke.taken.length = 0;
  const run = await operator.follow((await operator.start(plan)).id);
  told("it is complete", run.status === "completed" && run.appliedCount === 40);
  told("every row is as it was, to the last digit", (await everything(karaoke.db)) === before);
  told("the stale list of venues was flushed", run.report?.effects["flush-caches"]?.count === 1);
  told("the page answers again, with 3 venues", (await page()) === 200 && (await venuesShown()) === 3);
  await tellJobs(karaoke);
  say(`Verified: ${JSON.stringify(run.report?.verification)}`);
  told("all of it was read again and is right", run.report?.verification?.ok === true);
  command(`select count(*) from audit.audit_logs where restore_id = '${run.id}'`);
  const logged = await karaoke.db.query("select from audit.audit_logs where restore_id = $1", [run.id]);
  told("the restore's own 40 changes are in the history", logged.rowCount === 40);
}

async function tellJobs({ taken }: Karaoke): Promise<void> {
  for (let n = 0; n < JOB_POLLS_MAX && taken.length < 4; n++) await sleep(JOB_POLL_MS);
  table(taken.map(({ queue, about }) => ({ queue, about })));
  const of = (queue: string) => taken.filter((job) => job.queue === queue);
  told("Stripe is synchronised once", of("stripe/customer.sync-requested").length === 1);
  told("the song index of each venue is refreshed once", of("songs/index.refresh-requested").length === 3);
}
