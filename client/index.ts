export { createAuditClient, type AuditClient } from "./create.ts";
export { AuditClientError } from "./errors.ts";
export type { AuditClientOptions, Backend, Counts, Difference, DroppedWrite, Mode } from "./options.ts";
export type {
  AuditEvent,
  AuditEventPayload,
  AuditEventsOptions,
  AuditTrail,
  AuditTrailUpdate,
  Cost,
  Digests,
  Inputs,
  NewAuditTrail,
  Placeholder,
  Tokens,
  TrailStatus,
} from "./types.ts";
