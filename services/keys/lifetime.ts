import type { Context } from "../context.ts";
import { ServiceError } from "../errors.ts";

/**
 * When a key that this one mints ends: when it was asked to, else with its minter. Throws `forbidden` when it would
 * outlive its minter: a key for an hour must not become one for ever.
 */
export function withinOwnLifetime(ctx: Context, wanted: Date | null | undefined): Date | null {
  const own = ctx.principal.expiresAt;
  if (own === null) return wanted ?? null;
  if (wanted === undefined) return own;
  if (wanted !== null && wanted.getTime() <= own.getTime()) return wanted;
  throw new ServiceError(
    "forbidden",
    "A key cannot outlive the key which mints it; ask for an earlier expiresAt.",
  );
}
