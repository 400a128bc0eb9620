import { Command } from "commander";
import { createKey, newKey } from "../../services/keys/create.ts";
import type { Key } from "../../services/keys/key.ts";
import { keyFilter, listKeys } from "../../services/keys/list.ts";
import { revokeKey } from "../../services/keys/revoke.ts";
import { rotateKey, rotation } from "../../services/keys/rotate.ts";
import { scopes } from "../../services/keys/scopes.ts";
import { byId } from "../by-id.ts";
import { check } from "../check.ts";
import { namesIn } from "../names.ts";
import { withOperator } from "../operator.ts";

const SECONDS_PER_HOUR = 3_600;
const KEYS = { what: "key", listedBy: "npx afterimage keys list" };

export function keysCommand(): Command {
  const command = new Command("keys").description("Make, list, rotate and revoke API keys.");
  command
    .command("create")
    .description("Make a key; its secret is shown once.")
    .requiredOption("--name <name>", "what it is for")
    .requiredOption("--user <id>", "the person who answers for it")
    .option("--scopes <list>", `comma-separated, of: ${scopes.join(", ")}`, "events:write,trails:write")
    .option("--workspaces <list>", "the only workspaces it sees (default: all)")
    .option("--projects <list>", "the only projects it sees (default: all)")
    .option("--expires <time>", "ISO 8601, as 2027-01-31T00:00:00Z (default: never)")
    .action((options: Record<string, string>) =>
      withOperator(async (ctx) => {
        const input = check(newKey, {
          name: options.name,
          userId: options.user,
          scopes: namesIn(options.scopes),
          ...(options.workspaces ? { workspaces: namesIn(options.workspaces) } : {}),
          ...(options.projects ? { projects: namesIn(options.projects) } : {}),
          ...(options.expires ? { expiresAt: options.expires } : {}),
        });
        show(await createKey(ctx, input));
      }),
    );
  command
    .command("list")
    .description("List keys, newest first.")
    .option("--user <id>", "only this person's")
    .option("--limit <n>", "how many", "100")
    .action(({ user, limit }: { user?: string; limit: string }) =>
      withOperator(async (ctx) => {
        const filter = check(keyFilter, { limit, ...(user ? { userId: user } : {}) });
        const { items, nextCursor } = await listKeys(ctx, filter);
        console.table(items.map(row));
        if (nextCursor) console.log(`There are more than ${limit}; raise --limit.`);
      }),
    );
  command
    .command("rotate <id>")
    .description("Make a new secret with the same rights; the old one works on for a while.")
    .option("--overlap-hours <n>", "for how long", "24")
    .action((id: string, { overlapHours }: { overlapHours: string }) =>
      withOperator(async (ctx) => {
        const input = check(rotation, {
          overlapSeconds: Math.round(Number(overlapHours) * SECONDS_PER_HOUR),
        });
        show(await byId(KEYS, id, (key) => rotateKey(ctx, key, input)));
      }),
    );
  command
    .command("revoke <id>")
    .description("End a key, effective within 30 seconds.")
    .action((id: string) =>
      withOperator(async (ctx) => {
        const key = await byId(KEYS, id, (one) => revokeKey(ctx, one));
        console.log(`Revoked ${key.prefix}… (${key.name}) at ${key.revokedAt}.`);
      }),
    );
  return command;
}

function show({ key, secret }: { key: Key; secret: string }): void {
  console.log(`Key ${key.id} of ${key.userId}: ${key.scopes.join(", ")}`);
  console.log(`\n  ${secret}\n\nKeep it now: it is not shown again.`);
}

const row = (key: Key) => ({
  id: key.id,
  prefix: key.prefix,
  name: key.name,
  user: key.userId,
  state: key.revokedAt
    ? "revoked"
    : key.expiresAt && new Date(key.expiresAt) < new Date()
      ? "expired"
      : "active",
  lastUsed: key.lastUsedAt?.slice(0, 16) ?? "never",
  scopes: key.scopes.join(" "),
});
