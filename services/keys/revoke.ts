import { endKey, lockKey } from "../../db/queries/keys.ts";
import { requireScope, type Context } from "../context.ts";
import { notFound } from "../errors.ts";
import { logServiceEvent } from "../events/log-service-event.ts";
import { reachOf, toKey, type Key } from "./key.ts";

/** Ends a key; it may work for up to 30 s more where it is cached. Revoking twice changes nothing. */
export async function revokeKey(ctx: Context, id: string): Promise<Key> {
  requireScope(ctx, "keys:manage");
  return ctx.db.transaction(async (tx) => {
    const before = await lockKey(tx, id, reachOf(ctx));
    if (!before) throw notFound("key");
    if (before.revokedAt !== null) return toKey(before);
    const after = await endKey(tx, id, { revoke: true });
    if (!after) throw notFound("key");
    await logServiceEvent({ ...ctx, db: tx }, "REVOKE_API_KEY", "api_key", id, {
      oldValues: { revokedAt: null },
      newValues: { revokedAt: after.revokedAt?.toISOString() ?? null },
    });
    return toKey(after);
  });
}
