import type { Karaoke } from "./app.ts";
import { changeAs, customerId } from "./back-office.ts";
import type { Operator } from "./operator.ts";
import { chapter, say, table, told } from "./tell.ts";

const CUSTOMER = customerId(5);

export async function tellAsOfATime({ db }: Karaoke, operator: Operator, second: Operator): Promise<void> {
  chapter("4. Rows of a table as of a time");
  const venues = async () =>
    (
      await db.query(
        `select venue_id, name, hourly_price, (select count(*) from singers s where s.venue_id = v.venue_id) as singers
         from venues v where customer_profiles_id = $1 order by venue_id`,
        [CUSTOMER],
      )
    ).rows as { venue_id: number; name: string; hourly_price: string; singers: string }[];
  const before = await venues();
  const { rows } = await db.query("select clock_timestamp() as now");
  const at = (rows[0] as { now: Date }).now;

  say("Several people change the venues of one customer: prices times ten, a venue removed, one added.");
  await changeAs(db, "ben", (query) =>
    query("update venues set hourly_price = hourly_price * 10 where customer_profiles_id = $1", [CUSTOMER]),
  );
  await changeAs(db, "maya", (query) =>
    query("delete from venues where customer_profiles_id = $1 and name = 'Room 2'", [CUSTOMER]),
  );
  await changeAs(db, "cleo", (query) =>
    query(
      "insert into venues (customer_profiles_id, name, city, hourly_price) values ($1, 'Rooftop', 'Berlin', 49)",
      [CUSTOMER],
    ),
  );
  await changeAs(db, "cleo", (query) =>
    query("update venues set hourly_price = 30 where customer_profiles_id = $1 and name = 'Room 1'", [
      customerId(6),
    ]),
  );
  table(await venues());

  const target = { tables: ["public.venues"], at, where: { customer_profiles_id: CUSTOMER } };
  const plan = await operator.preview(target, "Venues of Star Chorus as of before the changes");
  told(
    "the new venue would stay, unless strictDelete is asked for",
    plan.problems.some(({ code }) => code === "rows_stay"),
  );
  const started = await operator.start(plan);
  told("the configuration asks for a second person here", started.status === "awaiting_approval");
  say("Bea, who has a key of her own, looks at it and agrees.");
  await second.approve(started.id, "Looked at the rows with Ben");
  const run = await operator.follow(started.id);
  told("it is complete", run.status === "completed");
  const after = await venues();
  table(after);
  told(
    "the three venues are as they were, the removed one with its singers",
    JSON.stringify(after.filter(({ name }) => name !== "Rooftop")) === JSON.stringify(before),
  );
  told(
    "the new one is still there",
    after.some(({ name }) => name === "Rooftop"),
  );
  const other = await db.query("select from venues where customer_profiles_id = $1 and hourly_price = 30", [
    customerId(6),
  ]);
  told("and what was changed of other customers stays changed", other.rowCount === 1);
}
