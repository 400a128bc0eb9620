import type { Karaoke } from "./app.ts";
import { changeAs, customerId, everything } from "./back-office.ts";
import type { Operator } from "./operator.ts";
import { chapter, say, told } from "./tell.ts";

const CUSTOMER = customerId(4);

interface Entries {
  items: {
    id: string;
    createdAt: string;
    action: string;
    userId: string | null;
    changedFields: string[] | null;
  }[];
}

export async function tellWrongRestore({ db }: Karaoke, operator: Operator): Promise<void> {
  chapter("3. The wrong thing is restored, and taken back");
  say("Ben corrects the mail address of customer 4, and then cuts its plan, which was right.");
  await changeAs(db, "ben", async (query) => {
    await query(
      "update customer_profiles set contact_email = 'desk@echo.example' where customer_profiles_id = $1",
      [CUSTOMER],
    );
  });
  await changeAs(db, "ben", async (query) => {
    await query("update customer_profiles set plan = 'trial' where customer_profiles_id = $1", [CUSTOMER]);
  });
  const right = await everything(db);
  const { items } = await operator.get<Entries>(`/history/public.customer_profiles/${CUSTOMER}`);
  for (const { createdAt, action, userId, changedFields } of items)
    say(`${createdAt}  ${action}  ${userId ?? "–"}  ${changedFields?.join(", ") ?? ""}`.trimEnd());

  say();
  say("It is late: instead of the newest change, the operator takes the first one back.");
  const wrong = items.at(-2);
  const target = { table: "public.customer_profiles", recordId: CUSTOMER, to: { entryId: wrong?.id } };
  const plan = await operator.preview(target, "Wrong plan for customer 4");
  const run = await operator.follow((await operator.start(plan)).id);
  told(
    "everything that came after it is undone as well",
    run.status === "completed" && (await everything(db)) !== right,
  );

  say(
    `The trigger of the table set updated_at, and the report says so: ${JSON.stringify(run.report?.verification?.differences)}`,
  );

  const rollback = await operator.follow((await operator.rollback(run.id, "Took the wrong entry")).id);
  told("the rollback is complete", rollback.status === "completed");
  told("every row of every table is as it was before, updated_at aside", (await everything(db)) === right);
  const { status } = await operator.get<{ status: string }>(`/restores/${run.id}`);
  told("and the first restore says so: rolled_back", status === "rolled_back");
}
