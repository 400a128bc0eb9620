import { z } from "zod";
import { insertKey } from "../../db/queries/keys.ts";
import { requireScope, type Context } from "../context.ts";
import { invalidField, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { callerId, filledText, time } from "../inputs.ts";
import { withinOwnLifetime } from "./lifetime.ts";
import { toKey, type Key } from "./key.ts";
import { scopes } from "./scopes.ts";
import { hashSecret, newSecret, shownPrefix } from "./secret.ts";

const NAME_LENGTH_MAX = 100;
const TENANTS_MAX = 1_000;

export const newKey = z.strictObject({
  name: filledText(NAME_LENGTH_MAX),
  userId: callerId.optional().describe("The person who owns the key; yourself if left out."),
  scopes: z.array(z.enum(scopes)).min(1, "must name at least one scope").max(scopes.length),
  workspaces: z
    .array(callerId)
    .min(1)
    .max(TENANTS_MAX)
    .nullable()
    .optional()
    .describe("As your own if left out."),
  projects: z
    .array(callerId)
    .min(1)
    .max(TENANTS_MAX)
    .nullable()
    .optional()
    .describe("As your own if left out."),
  expiresAt: time.optional().describe("When your own key expires, if that ever does and this is left out."),
});
type NewKey = z.infer<typeof newKey>;

/** Mints a key; its secret is in this answer only. A key reaches no further than the one that mints it (403). */
export async function createKey(ctx: Context, input: NewKey): Promise<{ key: Key; secret: string }> {
  requireScope(ctx, "keys:manage");
  for (const scope of input.scopes) requireScope(ctx, scope);
  const workspaces = within(input.workspaces, ctx.principal.workspaces, "workspaces");
  const projects = within(input.projects, ctx.principal.projects, "projects");
  if (input.expiresAt && input.expiresAt.getTime() <= Date.now()) {
    throw invalidField("body.expiresAt", "past", "must lie in the future");
  }
  const expiresAt = withinOwnLifetime(ctx, input.expiresAt);
  const secret = newSecret();
  return ctx.db.transaction(async (tx) => {
    const row = await insertKey(tx, {
      name: input.name,
      userId: input.userId ?? ctx.principal.userId,
      secretHash: hashSecret(secret),
      secretPrefix: shownPrefix(secret),
      scopes: [...new Set(input.scopes)],
      workspaces,
      projects,
      createdByUserId: ctx.principal.userId,
      expiresAt,
    });
    const created = toKey(row);
    await logServiceEvent({ ...ctx, db: tx }, "CREATE_API_KEY", "api_key", row.id, {
      newValues: { ...created },
    });
    return { key: created, secret };
  });
}

function within(
  wanted: string[] | null | undefined,
  own: readonly string[] | null,
  field: string,
): string[] | null {
  if (own === null) return wanted ?? null;
  const granted = wanted === undefined ? [...own] : wanted;
  if (granted === null || granted.some((id) => !own.includes(id))) {
    throw new ServiceError(
      "forbidden",
      `A key cannot reach ${field} that the key which mints it does not see.`,
    );
  }
  return granted;
}
