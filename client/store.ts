import type { WireTrail, StoredTrail } from "./trail.ts";
import type { AuditEvent } from "./types.ts";

/** An event as the service takes it. */
export interface WireEvent {
  eventId: string;
  workspaceId: string;
  [field: string]: unknown;
}

export interface EventsQuery {
  workspaceId: string;
  resourceType?: string | undefined;
  resourceId?: string | undefined;
  /** ISO 8601: created at or after. */
  from: string;
  limit: number;
}

/** Where trails and events go. */
export interface Store {
  put(trail: WireTrail): Promise<void>;
  /** Throws not_found for a trail that is not there. */
  patch(messageId: string, projectId: string | undefined, update: Partial<WireTrail>): Promise<void>;
  get(messageId: string, projectId: string | undefined): Promise<StoredTrail | null>;
  log(event: WireEvent): Promise<void>;
  /** Newest first. */
  events(query: EventsQuery): Promise<AuditEvent[]>;
}
