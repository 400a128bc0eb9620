import type { CountedTrail, DeletionRow } from "../../db/queries/evidence.ts";
import type { EventRow } from "../../db/queries/events.ts";
import type { Entry } from "../../db/queries/history.ts";
import type { HoldRow } from "../../db/queries/holds.ts";
import type { TrailRow } from "../../db/queries/trail-row.ts";
import { ANSWER_BYTES_MAX } from "../answer-size.ts";
import { toEvent } from "../events/event.ts";
import { toHold } from "../holds/hold.ts";
import { toTrail } from "../trails/trail.ts";
import { EVIDENCE_ITEMS_MAX, toCounted, toDeletion, type Evidence, type Gap, type Part } from "./evidence.ts";

/** What was found about a message; a part of which nothing can be shown is null. */
interface Found {
  trail: TrailRow | null;
  counted: CountedTrail | null;
  holds: readonly HoldRow[] | null;
  deletions: readonly DeletionRow[] | null;
  events: readonly EventRow[] | null;
  /** Null without a tracked table as well. */
  history: { table: string; entries: readonly Entry[] } | null;
  gaps: readonly Gap[];
}

/** The bundle as JSON text, as much of it as an answer holds: where that is less than there is, it says so. */
export function bundleText({ trail, counted, holds, deletions, events, history, gaps }: Found): string {
  const room = new Room();
  const fields = [
    room.field("gatheredAt", new Date().toISOString()),
    room.field("trail", trail && toTrail(trail)),
    room.field("countedIn", toCounted(counted)),
    ["holds", room.list("holds", holds && holds.map((row) => JSON.stringify(toHold(row))))],
    [
      "deletions",
      room.list("deletions", deletions && deletions.map((row) => JSON.stringify(toDeletion(row)))),
    ],
    ["events", room.list("events", events && events.map((row) => JSON.stringify(toEvent(row))))],
    ["history", historyText(room, history)],
    ["incomplete", JSON.stringify(incompleteOf(gaps, room.cut))],
  ] satisfies [keyof Evidence, string][];
  return `{${fields.map(([name, json]) => `"${name}":${json}`).join(",")}}`;
}

function historyText(room: Room, history: Found["history"]): string {
  if (!history) return "null";
  // Entries stay the text that the database wrote: parsing would round numbers beyond 15 digits.
  const items = room.list(
    "history",
    history.entries.map(({ json }) => json),
  );
  return `{"table":${JSON.stringify(history.table)},"items":${items}}`;
}

function incompleteOf(gaps: readonly Gap[], cut: readonly Part[]): Gap[] {
  const isSaid = (part: Part) => gaps.some((gap) => gap.part === part && gap.reason === "more");
  return [...gaps, ...cut.filter((part) => !isSaid(part)).map((part) => ({ part, reason: "more" as const }))];
}

/** The bytes of one answer: whoever asks first gets what it needs. */
class Room {
  /** Parts of which not everything had room. */
  readonly cut: Part[] = [];
  #bytesLeft = ANSWER_BYTES_MAX;

  /** What is there in any case. */
  field<Name extends keyof Evidence>(name: Name, value: Evidence[Name]): [Name, string] {
    const json = JSON.stringify(value);
    this.#bytesLeft -= Buffer.byteLength(json);
    return [name, json];
  }

  /** The first of a part's items, which are JSON texts, as a JSON list. */
  list(part: Part, items: readonly string[] | null): string {
    if (items === null) return "null";
    let count = 0;
    for (const item of items.slice(0, EVIDENCE_ITEMS_MAX)) {
      this.#bytesLeft -= Buffer.byteLength(item) + 1;
      if (this.#bytesLeft < 0) break;
      count++;
    }
    if (count < items.length) this.cut.push(part);
    return `[${items.slice(0, count).join(",")}]`;
  }
}
