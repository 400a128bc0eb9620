import type { HeldRecord, RecordName } from "../../db/queries/evidence.ts";
import type { EventRow } from "../../db/queries/events.ts";
import type { Entry } from "../../db/queries/history.ts";
import { EVIDENCE_ITEMS_MAX, type Gap } from "./evidence.ts";

/** What a hold can keep of a message's events: the message, and in each workspace what its users did to it. */
export function eventRecords(name: RecordName, events: readonly EventRow[]): HeldRecord[] {
  const workspaces = distinct(events.flatMap(({ workspaceId }) => workspaceId ?? []));
  const ofWorkspace = (id: string): HeldRecord => ({
    ...name,
    workspaceIds: [id],
    userIds: distinct(events.flatMap((one) => (one.workspaceId === id ? (one.createdByUserId ?? []) : []))),
  });
  return [{ ...name, workspaceIds: [], userIds: [] }, ...workspaces.map(ofWorkspace)];
}

/** A record of which nobody knows the workspace. */
export const unplaced = (name: RecordName, userIds: readonly string[]): HeldRecord => ({
  ...name,
  workspaceIds: null,
  userIds,
});

export const usersOf = (entries: readonly Entry[]): string[] =>
  distinct(entries.flatMap(({ userId }) => userId ?? []));

const distinct = <T>(items: readonly T[]): T[] => [...new Set(items)];

/** Why events or entries are not all known: there may be a hold to which only the others lead. Null when they are. */
export function reasonOfGap(
  gaps: readonly Gap[],
  ...found: (readonly unknown[] | null)[]
): Gap["reason"] | null {
  const [gap] = gaps;
  if (gap) return gap.reason;
  return found.some((items) => (items?.length ?? 0) > EVIDENCE_ITEMS_MAX) ? "more" : null;
}
