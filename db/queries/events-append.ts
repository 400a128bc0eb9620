import { sql } from "drizzle-orm";
import type { Db } from "../client.ts";
import { rows } from "./rows.ts";

/** An event as insert_audit_events() takes it: keys are column names, what is absent stays null. */
export type EventRecord = Record<string, unknown>;

export interface StoredEvent {
  id: string;
  createdAt: string;
  duplicate: boolean;
}

interface IngestClaim {
  keyId: string;
  key: string;
  hash: Uint8Array;
}

/** Appends events, under an idempotency key if there is one, in one statement: all or nothing. */
export async function ingestEvents(
  db: Db,
  events: EventRecord[],
  claim: IngestClaim | null,
): Promise<{ state: "new" | "replay" | "mismatch" | "running"; results: StoredEvent[] }> {
  const json = JSON.stringify(events);
  const call = claim
    ? sql`audit.ingest_audit_events(${json}::jsonb, ${claim.keyId}, ${claim.key}, ${Buffer.from(claim.hash)})`
    : sql`audit.ingest_audit_events(${json}::jsonb)`;
  const [answer] = await rows<{ state: "new"; results: StoredEvent[] | null }>(
    db,
    sql`select state, results from ${call}`,
  );
  return { state: answer?.state ?? "new", results: answer?.results ?? [] };
}

export async function insertServiceEvent(db: Db, event: EventRecord): Promise<void> {
  await db.execute(sql`select audit.insert_service_event(${JSON.stringify(event)}::jsonb)`);
}

/** Whether an event was ever stored under this natural key. */
export async function isEventStored(db: Db, workspaceId: string, eventId: string): Promise<boolean> {
  const [row] = await rows(
    db,
    sql`
    select from audit.audit_event_keys k
    where k.workspace_id = ${workspaceId} and k.event_id = ${eventId}`,
  );
  return row !== undefined;
}

/** Whether the event that is stored under a natural key says the same as one of these. */
export async function isStoredAs(
  db: Db,
  { workspaceId, eventId }: { workspaceId: string; eventId: string },
  events: readonly EventRecord[],
): Promise<boolean> {
  const [row] = await rows(
    db,
    sql`
    select from audit.audit_event_keys k
    where k.workspace_id = ${workspaceId} and k.event_id = ${eventId}
      and k.payload_hash in (
        select audit.event_payload_hash(e) from jsonb_array_elements(${JSON.stringify(events)}::jsonb) e
      )`,
  );
  return row !== undefined;
}
