import { connect } from "../../db/client.ts";
import { createLogger } from "../../lib/logger.ts";
import type { DevFile } from "../../local/dev-file.ts";
import { parseOptions } from "../../local/options.ts";
import { createKey } from "../../services/keys/create.ts";
import { operatorContext } from "../../services/operator.ts";
import { tellAsOfATime } from "./as-of-a-time.ts";
import { customerId } from "./back-office.ts";
import { tellBadMigration } from "./bad-migration.ts";
import { deleteByMistake, tellDeletedCustomer } from "./deleted-customer.ts";
import { Operator } from "./operator.ts";
import { withKaraoke, type Stage } from "./with-karaoke.ts";
import { tellWrongRestore } from "./wrong-restore.ts";

const HELP = `npm run demo:restore -- [options]

Starts an example application with Afterimage beside it, breaks things and brings them back. Ends with 1 when something
is not as told.

  --keep          breaks one more thing at the end and stays up, for docs/RUNBOOK.md to be tried on
  --data <dir>    where both keep their data (.afterimage/karaoke)
  --help          this text
`;

const { values } = parseOptions(HELP, {
  data: { type: "string", default: ".afterimage/karaoke" },
  keep: { type: "boolean", default: false },
});

console.log("A karaoke chain's back office, with Afterimage beside its tables. Starting both …");
const story = withKaraoke(values.data, async ({ dev, karaoke }) => {
  const operator = new Operator(dev.url, dev.apiKey);
  const second = new Operator(dev.url, await keyOf(dev, "bea"));
  await tellDeletedCustomer(karaoke, operator);
  await tellBadMigration(karaoke, operator);
  await tellWrongRestore(karaoke, operator);
  await tellAsOfATime(karaoke, operator, second);
  console.log("\nAll is as told. The commands for your own tables are in docs/RUNBOOK.md.");
  if (values.keep) await leaveDamage({ dev, karaoke });
});
await story.catch((error: unknown) => {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});

/** What `npx afterimage keys create --user bea --scopes restores:read,restores:approve` makes. */
async function keyOf({ databaseUrl }: DevFile, userId: string): Promise<string> {
  const database = connect(databaseUrl);
  try {
    const ctx = operatorContext(database.db, "operator:demo", createLogger("silent"));
    const scopes = ["restores:read", "restores:approve"] as const;
    const { secret } = await createKey(ctx, { name: "second person", userId, scopes: [...scopes] });
    return secret;
  } finally {
    await database.close();
  }
}

async function leaveDamage({ dev, karaoke }: Stage): Promise<void> {
  const customer = customerId(7);
  await fetch(`${karaoke.url}/customers/${customer}`);
  await deleteByMistake(karaoke, customer);
  await fetch(`${karaoke.url}/customers/${customer}/venues`);
  console.log(`
And again a customer was deleted by mistake: ${customer}
Bring it back with docs/RUNBOOK.md, in another terminal.

  Afterimage  ${dev.url}
  Karaoke     ${karaoke.url}
  Details     ${values.data}/dev.json

Ctrl-C stops everything.`);
  // Signals end the process (with-karaoke.ts); until then the servers keep it alive.
  await new Promise(() => undefined);
}
