import { safeError } from "../../lib/logger.ts";
import { clientAddress, createRefusalCounter, reportBurst } from "../../services/alerts/refusals.ts";
import type { ServiceError } from "../../services/errors.ts";
import type { Runtime } from "../../services/runtime.ts";
import type { AppContext } from "./app.ts";

const STATUS: Partial<Record<ServiceError["code"], 401 | 403>> = { unauthenticated: 401, forbidden: 403 };

/** Looks at every refusal; the one that completes a burst waits until that is written down. Never rejects. */
export type WatchRefusals = (refusal: ServiceError, c: AppContext) => Promise<void>;

export function watchRefusals(runtime: Runtime): WatchRefusals {
  const count = createRefusalCounter();
  return async ({ code }, c) => {
    const status = STATUS[code];
    if (status === undefined) return;
    const address = clientAddress(c.req.raw.headers);
    const burst = count({ status, keyId: status === 403 ? c.get("keyId") : undefined, address });
    if (!burst) return;
    const { log, quiet, send } = runtime;
    const requestId = c.get("requestId");
    await reportBurst({ db: runtime.app.db, log, quiet, send }, burst, requestId).catch((error: unknown) =>
      log.error({ requestId, error: safeError(error) }, "burst of refusals not written down"),
    );
  };
}
