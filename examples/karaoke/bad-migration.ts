import type { Karaoke } from "./app.ts";
import { changeAs, customerId } from "./back-office.ts";
import type { Operator } from "./operator.ts";
import { chapter, say, table, told } from "./tell.ts";

const SCRIPT = "migration:2026-11-shorten-names";

export async function tellBadMigration({ db }: Karaoke, operator: Operator): Promise<void> {
  chapter("2. A migration damages a column");
  const names = async () =>
    (
      await db.query(
        "select customer_profiles_id as id, display_name as name from customer_profiles order by 1",
      )
    ).rows as { id: string; name: string }[];
  const now = async () => ((await db.query("select clock_timestamp() as now")).rows[0] as { now: Date }).now;
  const before = await names();

  say(`A script cuts every display name to its first word and writes the mails anew; it runs as ${SCRIPT}.`);
  const from = await now();
  await changeAs(db, SCRIPT, (query) =>
    query(`update customer_profiles set
             display_name = split_part(display_name, ' ', 1), contact_email = replace(contact_email, 'office-', 'office+')`),
  );
  // The API's times have milliseconds, the history's microseconds, and what is at `to` is not within.
  const to = new Date((await now()).getTime() + 1);
  say("The day goes on: Ben gives customer 2 another venue, and names customer 3 anew.");
  await changeAs(db, "ben", async (query) => {
    await query(
      "insert into venues (customer_profiles_id, name, city, hourly_price) values ($1, 'Cellar', 'Bremen', 25)",
      [customerId(2)],
    );
    await query(
      "update customer_profiles set display_name = 'Golden Microphone' where customer_profiles_id = $1",
      [customerId(3)],
    );
  });
  table((await names()).slice(0, 4));

  const target = { actor: SCRIPT, from, to, tables: ["public.customer_profiles"] };
  const options = { columns: ["display_name"], onConflict: "skip" };
  say();
  say("Only the names are to come back; the new mails are meant. What was changed since is left alone.");
  const plan = await operator.preview(target, "The migration cut the names", options);
  told(
    "the name that Ben has changed since stands out as a conflict",
    plan.problems.some(({ severity, code }) => severity === "conflict" && code === "changed_since"),
  );
  const [first] = await operator.items(plan.id);
  say(`The first of its rows: ${JSON.stringify(first?.changes)}`);

  const run = await operator.follow((await operator.start(plan)).id);
  told("it is complete, and one row was skipped", run.status === "completed" && run.skippedCount === 1);
  const after = await names();
  table(after.slice(0, 4));
  told(
    "every other name is as it was",
    after.every(({ id, name }, i) => name === (id === customerId(3) ? "Golden Microphone" : before[i]?.name)),
  );
  const { rows } = await db.query(`
    select
      (select count(*) from venues where name = 'Cellar') as venues,
      (select count(*) from customer_profiles where contact_email like 'office+%') as mails`);
  const stays = rows[0] as { venues: string; mails: string };
  told("Ben's new venue stays, and so do the new mails", stays.venues === "1" && stays.mails === "40");
}
