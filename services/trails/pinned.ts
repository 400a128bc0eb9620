import { ServiceError } from "../errors.ts";
import { postgresError } from "../postgres-errors.ts";

const PINNED = "trail_digests_pinned";

/** What a write of a trail threw; a `conflict` (409) when it would have changed a digest that is set. */
export function orPinned(error: unknown): unknown {
  const refusal = postgresError(error);
  if (refusal?.constraint !== PINNED) return error;
  const name = refusal.column?.replace("_digest", "");
  const message = `The ${name} of this message was written down as another; send it under a messageId of its own.`;
  return new ServiceError("conflict", message, {
    errors: [{ path: `body.digests.${name}`, code: "pinned", message }],
  });
}
