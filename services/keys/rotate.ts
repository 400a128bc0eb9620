import { z } from "zod";
import { endKey, lockKey, insertKey } from "../../db/queries/keys.ts";
import { requireScope, type Context } from "../context.ts";
import { notFound, ServiceError } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { reachOf, toKey, type Key } from "./key.ts";
import { withinOwnLifetime } from "./lifetime.ts";
import type { Scope } from "./scopes.ts";
import { hashSecret, newSecret, shownPrefix } from "./secret.ts";

const OVERLAP_DEFAULT_S = 24 * 60 * 60;
const OVERLAP_MAX_S = 30 * 24 * 60 * 60;

export const rotation = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(OVERLAP_MAX_S)
    .default(OVERLAP_DEFAULT_S)
    .describe("How long the old key goes on working."),
});
type Rotation = z.infer<typeof rotation>;

/** A new secret with the same rights; the old one works until the overlap ends. */
export async function rotateKey(
  ctx: Context,
  id: string,
  input: Rotation,
): Promise<{ key: Key; secret: string }> {
  requireScope(ctx, "keys:manage");
  const secret = newSecret();
  return ctx.db.transaction(async (tx) => {
    const old = await lockKey(tx, id, reachOf(ctx));
    if (!old) throw notFound("key");
    if (old.revokedAt !== null || (old.expiresAt !== null && old.expiresAt.getTime() <= Date.now())) {
      throw new ServiceError("conflict", "This key is revoked or expired; create a new one instead.");
    }
    for (const scope of old.scopes) requireScope(ctx, scope as Scope);
    const { name, userId, scopes, workspaces, projects } = old;
    const expiresAt = withinOwnLifetime(ctx, old.expiresAt);
    const row = await insertKey(tx, {
      name,
      userId,
      scopes,
      workspaces,
      projects,
      expiresAt,
      secretHash: hashSecret(secret),
      secretPrefix: shownPrefix(secret),
      createdByUserId: ctx.principal.userId,
      rotatedFrom: old.id,
    });
    const ended = await endKey(tx, id, { expireAt: new Date(Date.now() + input.overlapSeconds * 1_000) });
    await logServiceEvent({ ...ctx, db: tx }, "ROTATE_API_KEY", "api_key", id, {
      newValues: { rotatedTo: row.id, oldExpiresAt: ended?.expiresAt?.toISOString() ?? null },
    });
    return { key: toKey(row), secret };
  });
}
