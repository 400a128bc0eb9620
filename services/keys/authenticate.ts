import type { Db } from "../../db/client.ts";
import { findKeyBySecret, type KeyRow } from "../../db/queries/keys.ts";
import type { Principal } from "../context.ts";
import { ServiceError } from "../errors.ts";
import { scopes, type Scope } from "./scopes.ts";
import { hashSecret, looksLikeSecret } from "./secret.ts";

/** A revoked key works this long at most; the promise is 30 s. */
const CACHE_MS = 15_000;
const CACHE_ENTRIES_MAX = 5_000;

/** Turns an Authorization header into who asks. Throws `unauthenticated` (401). */
export type Authenticate = (db: Db, authorization: string | undefined) => Promise<Principal>;

interface Cached {
  principal: Principal;
  until: number;
}

export function createAuthenticator(now: () => number = Date.now): Authenticate {
  const cache = new Map<string, Cached>();
  return async (db, authorization) => {
    const secret = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    if (secret === undefined) {
      throw new ServiceError("unauthenticated", "Send an API key: Authorization: Bearer afi_…");
    }
    if (!looksLikeSecret(secret)) throw unknownKey();
    const hash = hashSecret(secret);
    const id = hash.toString("base64");
    const cached = cache.get(id);
    if (cached && cached.until > now()) return cached.principal;
    cache.delete(id);
    const row = await findKeyBySecret(db, hash);
    if (!row || row.revokedAt !== null) throw unknownKey();
    if (row.expiresAt !== null && row.expiresAt.getTime() <= now()) throw unknownKey();
    const principal = toPrincipal(row);
    if (cache.size >= CACHE_ENTRIES_MAX) cache.delete(cache.keys().next().value as string);
    cache.set(id, { principal, until: Math.min(now() + CACHE_MS, row.expiresAt?.getTime() ?? Infinity) });
    return principal;
  };
}

// One answer for unknown, expired and revoked: a stranger learns nothing from the difference.
const unknownKey = () =>
  new ServiceError(
    "unauthenticated",
    "This API key is unknown, expired or revoked. Ask its owner for a new one.",
  );

function toPrincipal(row: KeyRow): Principal {
  const known = new Set<string>(scopes);
  return {
    keyId: row.id,
    userId: row.userId,
    scopes: new Set(row.scopes.filter((scope): scope is Scope => known.has(scope))),
    workspaces: row.workspaces,
    projects: row.projects,
    expiresAt: row.expiresAt,
  };
}
