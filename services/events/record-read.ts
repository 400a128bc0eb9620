import { createHash } from "node:crypto";
import { SERVICE_WORKSPACE, type Context } from "../context.ts";
import { SERVICE_EVENT_ID_PREFIX } from "./event.ts";
import { logServiceEvent } from "./log-service-event.ts";

const SEEN_MAX = 10_000;
const HOUR_CHARACTERS = "2026-01-01T00".length;

// What this process has recorded already; the event's natural key covers all the other processes.
const seen = new Set<string>();

/** Audits a read of the audit log: one event per key, filter and hour. Fails with the read if it cannot be written. */
export async function recordRead(ctx: Context, what: string, filter: Record<string, unknown>): Promise<void> {
  const hour = new Date().toISOString().slice(0, HOUR_CHARACTERS);
  const digest = createHash("sha256")
    .update(JSON.stringify([what, filter]))
    .digest("base64url");
  const eventId = `${SERVICE_EVENT_ID_PREFIX}read:${ctx.principal.keyId}:${hour}:${digest}`;
  if (seen.has(eventId)) return;
  await logServiceEvent(ctx, "READ_AUDIT_LOG", "audit_log", what, {
    workspaceId: workspaceOf(ctx, filter),
    metadata: { filter, hour: `${hour}:00Z` },
    eventId,
  });
  if (seen.size >= SEEN_MAX) seen.clear();
  seen.add(eventId);
}

/** The workspace that a read concerns, or the service's own when it spans several. */
export function workspaceOf(ctx: Context, filter: Record<string, unknown>): string {
  if (typeof filter.workspaceId === "string") return filter.workspaceId;
  const { workspaces } = ctx.principal;
  return workspaces?.length === 1 ? (workspaces[0] as string) : SERVICE_WORKSPACE;
}
