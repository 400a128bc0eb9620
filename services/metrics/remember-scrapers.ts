import { within } from "../../lib/promises.ts";
import { ServiceError } from "../errors.ts";
import type { Principal } from "../context.ts";
import type { Authenticate } from "../keys/authenticate.ts";
import { hashSecret } from "../keys/secret.ts";

/** While the database is away, a key that was good this long ago is still told how the process is. */
const REMEMBERED_MS = 60 * 60 * 1_000;
const REMEMBERED_MAX = 100;
/** A known scraper waits no longer than this for the database to say again who it is. */
const TIMEOUT_MS = 3_000;

interface Scraper {
  principal: Principal;
  until: number;
}

/**
 * Authenticates as `authenticate`, but knows a key with metrics:read again for an hour when the database cannot be asked:
 * numbers about an outage are wanted most during it. A key that the database refuses is forgotten at once.
 */
export function rememberScrapers(authenticate: Authenticate, now: () => number = Date.now): Authenticate {
  const scrapers = new Map<string, Scraper>();
  const remember = (id: string, principal: Principal) => {
    if (!principal.scopes.has("metrics:read")) return;
    scrapers.delete(id);
    if (scrapers.size >= REMEMBERED_MAX) scrapers.delete(scrapers.keys().next().value as string);
    const until = Math.min(now() + REMEMBERED_MS, principal.expiresAt?.getTime() ?? Infinity);
    scrapers.set(id, { principal, until });
  };
  return async (db, authorization) => {
    const id = hashSecret(authorization ?? "").toString("base64");
    const scraper = scrapers.get(id);
    const isKnown = scraper !== undefined && scraper.until > now();
    try {
      const asked = authenticate(db, authorization);
      const principal = await (isKnown ? within(TIMEOUT_MS, asked) : asked);
      remember(id, principal);
      return principal;
    } catch (error) {
      if (isKnown && !(error instanceof ServiceError)) return scraper.principal;
      scrapers.delete(id);
      throw error;
    }
  };
}
