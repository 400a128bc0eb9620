import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { audit, bytea, createdAt, instant } from "./common.ts";

/** API keys: the secret is shown once and kept only as its SHA-256. */
export const apiKeys = audit.table(
  "api_keys",
  {
    id: uuid("id")
      .primaryKey()
      .default(sql`audit.uuid_v7()`),
    name: text("name").notNull(),
    userId: text("user_id").notNull(),
    secretHash: bytea("secret_hash").notNull(),
    secretPrefix: text("secret_prefix").notNull(),
    scopes: text("scopes").array().notNull(),
    // Null means every workspace, or every project.
    workspaces: text("workspaces").array(),
    projects: text("projects").array(),
    createdAt: createdAt(),
    createdByUserId: text("created_by_user_id").notNull(),
    expiresAt: instant("expires_at"),
    revokedAt: instant("revoked_at"),
    lastUsedAt: instant("last_used_at"),
    rotatedFrom: uuid("rotated_from"),
  },
  (t) => [
    uniqueIndex("api_keys_secret_hash").on(t.secretHash),
    check("check_key_owner_length", sql`length(user_id) between 1 and 200`),
    check("check_key_scopes_not_empty", sql`cardinality(scopes) > 0`),
    check("check_key_secret_hash_length", sql`octet_length(secret_hash) = 32`),
  ],
);

/** Answers of finished writes, kept 24 hours: the row commits with the write that it answers for. */
export const idempotencyKeys = audit.table(
  "idempotency_keys",
  {
    keyId: uuid("key_id").notNull(),
    idempotencyKey: text("idempotency_key").notNull(),
    requestHash: bytea("request_hash").notNull(),
    status: integer("status").notNull(),
    body: jsonb("body"),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ name: "idempotency_keys_pkey", columns: [t.keyId, t.idempotencyKey] }),
    // No reference to the key: it would lock the key's row for each write, and keys are never deleted.
    index("idempotency_keys_created_at").on(t.createdAt),
    check("check_idempotency_key_length", sql`length(idempotency_key) between 1 and 200`),
  ],
);
