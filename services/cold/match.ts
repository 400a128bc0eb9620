import type { ParquetQueryFilter } from "hyparquet";
import type { ReturnedEvent } from "../../db/queries/cold-files.ts";
import type { EventFilter, EventPosition } from "../../db/queries/events.ts";
import type { Cell, ColumnName } from "./columns.ts";
import { dateMicros, toMicros } from "./times.ts";

/** A condition on the values of some columns in a row. It means what the same filter means in db/queries/events.ts. */
export interface Condition {
  columns: ColumnName[];
  holds(...cells: Cell[]): boolean;
  /** Whether it holds for all events between two times, microseconds since 1970: then no column is read. */
  holdsBetween?(oldest: bigint, newest: bigint): boolean;
}

/** The conditions of a filter, those that are quick to read and leave little first; files are sorted by workspace. */
export function conditionsOf(filter: EventFilter, position: EventPosition | null): Condition[] {
  const { workspaceIds, actorId, actionType, resourceType, resourceId, tag, text } = filter;
  const conditions: Condition[] = [];
  if (workspaceIds !== null) {
    const wanted = new Set<Cell>(workspaceIds);
    conditions.push({ columns: ["workspace_id"], holds: (id) => wanted.has(id as Cell) });
  }
  conditions.push(within(filter, position));
  if (resourceId !== undefined) conditions.push(equal("resource_id", resourceId));
  if (actorId !== undefined) conditions.push(equal("created_by_user_id", actorId));
  if (resourceType !== undefined) conditions.push(equal("resource_type", resourceType));
  if (actionType !== undefined) {
    conditions.push(
      "exact" in actionType
        ? equal("action_type", actionType.exact)
        : {
            columns: ["action_type"],
            holds: (action) => typeof action === "string" && action.startsWith(actionType.prefix),
          },
    );
  }
  if (!filter.includeDeleted) conditions.push({ columns: ["deleted_at"], holds: (at) => at === null });
  if (tag !== undefined) conditions.push({ columns: ["tags"], holds: (tags) => textsIn(tags).includes(tag) });
  if (text !== undefined) conditions.push(...contains(text));
  return conditions;
}

/** Besides: not one of the events that are in the database again. */
export function exceptReturned(
  conditions: readonly Condition[],
  returned: ReturnedEvent[],
): readonly Condition[] {
  if (returned.length === 0) return conditions;
  const known = new Set(returned.map(({ id, createdAt }) => `${id} ${toMicros(createdAt)}`));
  return [...conditions, { columns: ["id", "created_at"], holds: (id, at) => !known.has(`${id} ${at}`) }];
}

const equal = (column: ColumnName, wanted: string): Condition => ({
  columns: [column],
  holds: (cell) => cell === wanted,
});

function within({ from, to }: EventFilter, position: EventPosition | null): Condition {
  const first = from && dateMicros(from);
  const end = to && dateMicros(to);
  const last = position && toMicros(position.createdAt);
  return {
    columns: ["created_at"],
    holds: (cell) => {
      const at = cell as bigint;
      return (
        (first === undefined || at >= first) &&
        (end === undefined || at < end) &&
        (last === null || at <= last)
      );
    },
    holdsBetween: (oldest, newest) =>
      (first === undefined || oldest >= first) &&
      (end === undefined || newest < end) &&
      (last === null || newest <= last),
  };
}

/** Texts of a JSON array however deep: an array of arrays holds what they hold, and null is no text. */
function textsIn(json: Cell | undefined): string[] {
  if (typeof json !== "string") return [];
  let texts = parsedTags.get(json);
  if (texts === undefined) {
    texts = (JSON.parse(json) as unknown[]).flat(Infinity).filter((one) => typeof one === "string");
    if (parsedTags.size >= PARSED_TAGS_MAX) parsedTags.clear();
    parsedTags.set(json, texts);
  }
  return texts;
}

/** Events have few different lists of tags, and parsing each anew was most of a search by tag. */
const PARSED_TAGS_MAX = 1_000;
const parsedTags = new Map<string, string[]>();

/** Somewhere in the texts, or in the JSON, where quotes and backslashes stand escaped; upper and lower case alike. */
function contains(text: string): Condition[] {
  const plain = text.toLowerCase();
  const escaped = JSON.stringify(text).slice(1, -1).toLowerCase();
  const said = (cells: (string | null)[]) =>
    cells
      .filter((cell) => cell !== null)
      .join(" ")
      .toLowerCase();
  return [
    {
      columns: [
        "action_type",
        "resource_type",
        "resource_id",
        "created_by_user_id",
        "tags",
        "old_values",
        "new_values",
        "metadata",
      ],
      holds: (action, type, id, actor, tags, ...json) => {
        const words = typeof tags === "string" ? textsIn(tags).join(" ") : null;
        return (
          said([action, type, id, actor, words] as (string | null)[]).includes(plain) ||
          said(json as (string | null)[]).includes(escaped)
        );
      },
    },
  ];
}

/** What row groups can be left out by, from their statistics and bloom filters alone. */
export function pruningFilter(filter: EventFilter): ParquetQueryFilter | undefined {
  const { workspaceIds, actorId, actionType, resourceType, resourceId } = filter;
  const parts: ParquetQueryFilter[] = [];
  if (workspaceIds !== null) parts.push({ workspace_id: { $in: [...workspaceIds] } });
  if (actorId !== undefined) parts.push({ created_by_user_id: { $eq: actorId } });
  if (resourceType !== undefined) parts.push({ resource_type: { $eq: resourceType } });
  if (resourceId !== undefined) parts.push({ resource_id: { $eq: resourceId } });
  if (actionType !== undefined && "exact" in actionType)
    parts.push({ action_type: { $eq: actionType.exact } });
  return parts.length === 0 ? undefined : { $and: parts };
}
