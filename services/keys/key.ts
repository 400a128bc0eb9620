import { z } from "zod";
import type { KeyRow } from "../../db/queries/keys.ts";
import type { Context } from "../context.ts";
import { scopes } from "./scopes.ts";

/** A key as the API shows it: without its secret. */
export const key = z
  .object({
    id: z.string(),
    name: z.string(),
    userId: z.string().describe("The person who answers for what is done with the key."),
    prefix: z.string().describe("The beginning of the key, to know it by."),
    scopes: z.array(z.enum(scopes)),
    workspaces: z.array(z.string()).nullable().describe("Null: every workspace."),
    projects: z.array(z.string()).nullable().describe("Null: every project."),
    createdAt: z.string(),
    createdByUserId: z.string(),
    expiresAt: z.string().nullable(),
    revokedAt: z.string().nullable(),
    lastUsedAt: z.string().nullable().describe("To the minute."),
    rotatedFrom: z.string().nullable(),
  })
  .meta({ id: "Key" });
export type Key = z.infer<typeof key>;

export function toKey(row: KeyRow): Key {
  return {
    id: row.id,
    name: row.name,
    userId: row.userId,
    prefix: row.secretPrefix,
    scopes: row.scopes as Key["scopes"],
    workspaces: row.workspaces,
    projects: row.projects,
    createdAt: row.createdAt.toISOString(),
    createdByUserId: row.createdByUserId,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    rotatedFrom: row.rotatedFrom,
  };
}

export const reachOf = (ctx: Context) => ({
  workspaces: ctx.principal.workspaces,
  projects: ctx.principal.projects,
});
