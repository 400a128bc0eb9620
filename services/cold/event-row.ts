import type { EventRow } from "../../db/queries/events.ts";
import { COLUMN_NAMES, type Cell, type ColumnName } from "./columns.ts";
import { fromMicros, toDate } from "./times.ts";

const places = Object.fromEntries(COLUMN_NAMES.map((name, i) => [name, i])) as Record<ColumnName, number>;

/** A row of a cold file as the database's driver would give it. */
export function toEventRow(cells: Cell[]): EventRow {
  const cell = (name: ColumnName) => cells[places[name]] ?? null;
  const text = (name: ColumnName) => cell(name) as string | null;
  const json = (name: ColumnName): unknown => {
    const value = text(name);
    return value === null ? null : JSON.parse(value);
  };
  const time = (name: ColumnName) => {
    const micros = cell(name) as bigint | null;
    return micros === null ? null : toDate(micros);
  };
  return {
    id: text("id") as string,
    createdAt: time("created_at") as Date,
    occurredAt: time("occurred_at"),
    eventId: text("event_id"),
    workspaceId: text("workspace_id"),
    createdByUserId: text("created_by_user_id"),
    actionType: text("action_type") as string,
    resourceType: text("resource_type") as string,
    resourceId: text("resource_id") as string,
    oldValues: json("old_values"),
    newValues: json("new_values"),
    changedFields: json("changed_fields") as string[] | null,
    ipAddress: text("ip_address"),
    userAgent: text("user_agent"),
    requestId: text("request_id"),
    tags: json("tags") as string[] | null,
    metadata: json("metadata"),
    deletedAt: time("deleted_at"),
    deletedByUserId: text("deleted_by_user_id"),
    deletionReason: text("deletion_reason"),
    archivedAt: time("archived_at"),
    position: fromMicros(cell("created_at") as bigint),
  };
}
