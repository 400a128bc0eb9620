/** Tokens of one message. `total` is the provider's own, prompt + completion if left out. */
export interface Tokens {
  prompt: number;
  completion: number;
  total: number;
  cached?: number | null | undefined;
  reasoning?: number | null | undefined;
}

/** Money for one message, in your currency. */
export interface Cost {
  prompt: number;
  completion: number;
  total: number;
}

export type TrailStatus = "placeholder" | "complete" | "failed";

/** SHA-256 (or what you like, up to 200 characters) of what went into the message; each is set once. */
export interface Digests {
  prompt?: string | null | undefined;
  context?: string | null | undefined;
  policy?: string | null | undefined;
}

/** What answered one message, with how much context, tokens and money. */
export interface AuditTrail {
  /** 1 to 200 characters, unique in its project. */
  messageId: string;
  projectId?: string | undefined;
  timestamp: Date;
  model: string;
  reasoning?: string[] | null | undefined;
  contextLayers: number;
  /** All 0 as long as nothing is known. */
  tokens: Tokens;
  /** All 0 for a placeholder; null: the model has no price, which is not 0. */
  cost: Cost | null;
  /** If left out: complete when tokens or cost hold an amount above 0, else placeholder. */
  status?: TrailStatus | undefined;
  latencyMs?: number | null | undefined;
  digests?: Digests | undefined;
}

/** What the message was answered from, any JSON. The service keeps the digests of it, not the inputs; the memory neither. */
export interface Inputs {
  prompt?: unknown;
  context?: unknown;
  policy?: unknown;
}

type Amounts<T extends { total: number }> = Omit<T, "total"> & { total?: number | null | undefined };

/** Instead of `digests` it may hold the inputs. */
export interface NewAuditTrail extends Omit<AuditTrail, "tokens" | "cost"> {
  tokens?: Amounts<Tokens> | null | undefined;
  cost?: Amounts<Cost> | null | undefined;
  inputs?: Inputs | undefined;
}

/** Fields to change; null clears one, but no digest. Tokens and cost are replaced as a whole, and complete a placeholder. */
export type AuditTrailUpdate = Partial<Omit<NewAuditTrail, "messageId" | "projectId" | "timestamp">>;

export interface Placeholder {
  messageId: string;
  model: string;
  contextLayers: number;
  projectId?: string | undefined;
}

/** Something that happened in a workspace. Each id is a text of 1 to 200 characters. */
export interface AuditEventPayload {
  actionType: string;
  resourceType: string;
  resourceId: string;
  workspaceId: string;
  createdByUserId: string;
  /** With at least one field; so are the new ones. */
  oldValues?: object | null | undefined;
  newValues?: object | null | undefined;
  /** One IPv4 or IPv6 address, without a port. */
  ipAddress?: string | undefined;
  /** Cut at 1,000 characters. */
  userAgent?: string | undefined;
  requestId?: string | undefined;
  tags?: string[] | undefined;
  metadata?: object | null | undefined;
  /** Your own id of the event: it is stored once, however often you send it. Made by the client if left out. */
  eventId?: string | undefined;
  /** When it was done; the time of the call if neither this nor eventId is given. */
  occurredAt?: Date | string | undefined;
}

/** An event as it is stored; times in ISO 8601. `eventId` is what logAuditEvent returned, `id` the service's own. */
export interface AuditEvent {
  id: string;
  eventId: string | null;
  createdAt: string;
  occurredAt: string | null;
  workspaceId: string;
  createdByUserId: string;
  actionType: string;
  resourceType: string;
  resourceId: string;
  oldValues: object | null;
  newValues: object | null;
  changedFields: string[] | null;
  ipAddress: string | null;
  userAgent: string | null;
  requestId: string | null;
  tags: string[] | null;
  metadata: object | null;
}

export interface AuditEventsOptions {
  resourceType?: string | undefined;
  resourceId?: string | undefined;
  /** 30 if left out. */
  daysBack?: number | undefined;
  /** 100 if left out. */
  limit?: number | undefined;
}
