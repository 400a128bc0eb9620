import { z } from "zod";
import type { EventRecord } from "../../db/queries/events-append.ts";
import type { EventRow } from "../../db/queries/events.ts";
import { SERVICE_WORKSPACE } from "../context.ts";
import { callerId, text, time } from "../inputs.ts";

const USER_AGENT_LENGTH_MAX = 1_000;
const TAGS_MAX = 50;
export const TAG_LENGTH_MAX = 100;
const CHANGED_FIELDS_MAX = 1_000;
const FIELD_NAME_LENGTH_MAX = 1_000;

// Checked but not rebuilt: what is stored is what was sent, whatever its keys are called.
const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
const isFilled = (value: unknown) => isObject(value) && Object.keys(value as object).length > 0;
const values = z
  .unknown()
  .refine((value) => value === null || isFilled(value), "must be an object with at least one field, or null")
  .optional()
  .meta({ type: ["object", "null"] });

/** What the service writes of itself is known by these; callers cannot write such events, nor in their place. */
export const SERVICE_EVENT_ID_PREFIX = `${SERVICE_WORKSPACE}:`;
const isOwnSource = (metadata: unknown) =>
  (metadata as { source?: unknown } | null)?.source !== SERVICE_WORKSPACE;

export const newEvent = z
  .strictObject({
    actionType: callerId.describe("What was done, as `UPDATE_WORKSPACE` or `invoice.paid`."),
    resourceType: callerId,
    resourceId: callerId,
    workspaceId: callerId.refine(
      (id) => id !== SERVICE_WORKSPACE,
      `${SERVICE_WORKSPACE} is the service's own workspace`,
    ),
    createdByUserId: callerId.describe("Who did it."),
    occurredAt: time.optional().describe("When it was done, if that was earlier; createdAt is the server's."),
    eventId: callerId
      .refine(
        (id) => !id.startsWith(SERVICE_EVENT_ID_PREFIX),
        `must not begin with ${SERVICE_EVENT_ID_PREFIX}`,
      )
      .optional()
      .describe("Your own id of the event, unique in its workspace: it is stored once."),
    oldValues: values,
    newValues: values,
    changedFields: z
      .array(text(1, FIELD_NAME_LENGTH_MAX))
      .max(CHANGED_FIELDS_MAX)
      .optional()
      .describe("Computed if left out."),
    ipAddress: z
      .union([z.ipv4().meta({ format: "ipv4" }), z.ipv6().meta({ format: "ipv6" })], {
        error: "must be an IPv4 or IPv6 address",
      })
      .optional(),
    userAgent: text(0, USER_AGENT_LENGTH_MAX).optional(),
    requestId: callerId.optional(),
    tags: z.array(text(1, TAG_LENGTH_MAX)).max(TAGS_MAX).optional(),
    metadata: z
      .unknown()
      .refine((value) => value === null || isObject(value), {
        error: "must be an object, or null",
        abort: true,
      })
      .refine(isOwnSource, `source must not be ${SERVICE_WORKSPACE}`)
      .optional()
      .meta({ type: ["object", "null"] }),
  })
  .meta({ id: "NewEvent" });
export type NewEvent = z.infer<typeof newEvent>;

const json = z.unknown().meta({ type: ["object", "null"] });

export const event = z
  .object({
    id: z.string(),
    createdAt: z.string(),
    occurredAt: z.string().nullable(),
    eventId: z.string().nullable(),
    workspaceId: z.string(),
    createdByUserId: z.string(),
    actionType: z.string(),
    resourceType: z.string(),
    resourceId: z.string(),
    oldValues: json,
    newValues: json,
    changedFields: z.array(z.string()).nullable(),
    ipAddress: z.string().nullable(),
    userAgent: z.string().nullable(),
    requestId: z.string().nullable(),
    tags: z.array(z.string()).nullable(),
    metadata: json,
    deletedAt: z.string().nullable(),
    deletedByUserId: z.string().nullable(),
    deletionReason: z.string().nullable(),
    archivedAt: z
      .string()
      .nullable()
      .describe("When it went into the archive; null while it is in hot storage."),
  })
  .meta({ id: "Event" });
export type Event = z.infer<typeof event>;

export function toRecord(input: NewEvent): EventRecord {
  return {
    action_type: input.actionType,
    resource_type: input.resourceType,
    resource_id: input.resourceId,
    workspace_id: input.workspaceId,
    created_by_user_id: input.createdByUserId,
    occurred_at: input.occurredAt,
    event_id: input.eventId,
    old_values: input.oldValues,
    new_values: input.newValues,
    changed_fields: input.changedFields,
    ip_address: input.ipAddress,
    user_agent: input.userAgent,
    request_id: input.requestId,
    tags: input.tags,
    metadata: input.metadata,
  };
}

export function toEvent({ position: _, ...row }: EventRow): Event {
  return {
    ...row,
    workspaceId: row.workspaceId ?? "",
    createdByUserId: row.createdByUserId ?? "",
    createdAt: row.createdAt.toISOString(),
    occurredAt: row.occurredAt?.toISOString() ?? null,
    deletedAt: row.deletedAt?.toISOString() ?? null,
    archivedAt: row.archivedAt?.toISOString() ?? null,
  };
}
