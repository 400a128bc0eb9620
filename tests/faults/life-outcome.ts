import fs from "node:fs";
import path from "node:path";
import { coldFile } from "../../db/queries/cold-files.ts";
import { openFile, type Archive } from "../../services/cold/open-file.ts";
import { digestFile } from "../../services/cold/verify-file.ts";
import { ACTION, type Stored } from "./life-data.ts";
import type { Lane } from "./life-stage.ts";
import { readAll } from "./life-traffic.ts";

const PAGE_EVENTS = 1_000;
const NAMED_MAX = 3;

/** What a run left: events that are lost or doubled, and whatever else is not as it should be. */
export interface Outcome {
  lost: string[];
  doubled: string[];
  problems: string[];
}

/** The events in each cold file that searches read, by its object's key; what cannot be read is a problem. */
export async function coldContents(lane: Lane, problems: string[]): Promise<Map<string, string[]>> {
  const files = await lane.sql(
    "select id, object_key from audit.cold_months where dropped_at is not null and purged_at is null order by month, part",
  );
  const contents = new Map<string, string[]>();
  for (const { id, object_key: key } of files) {
    const found = await eventsIn(lane, id as string).catch((error: unknown) => problems.push(String(error)));
    contents.set(key as string, typeof found === "number" ? [] : found);
  }
  return contents;
}

async function eventsIn(lane: Lane, fileId: string): Promise<string[]> {
  const ref = await coldFile(lane.runtime.worker.db, fileId);
  if (ref === null) throw new Error("the file is not noted");
  const archive = lane.runtime.archive as Archive;
  const { rowsDigest } = await digestFile(archive, ref);
  if (rowsDigest !== ref.rowsDigest) throw new Error(`${ref.key} holds other rows than are noted`);
  const file = await openFile(archive, ref);
  const found: string[] = [];
  for (const group of await file.groups(undefined)) {
    const [actions, ids] = [await file.read("action_type", group), await file.read("event_id", group)];
    found.push(...ids.filter((_, i) => actions[i] === ACTION).map(String));
  }
  return found;
}

/** Counts by id over hot, archive, cold and what an approved purge removed by its log; `before` is what files held before it. */
export async function outcomeOf(lane: Lane, stored: Stored, before: Map<string, string[]>): Promise<Outcome> {
  const problems: string[] = [];
  const hot = await lane.sql("select event_id from audit.audit_events where action_type = $1", [ACTION]);
  const archived = await lane.sql("select event_id from audit.audit_events_archive where action_type = $1", [
    ACTION,
  ]);
  const cold = await coldContents(lane, problems);
  const log = await lane.sql(
    `select subject_id as key, (details ->> 'rows')::int as rows, deleted_by_user_id as by
     from audit.audit_deletion_log where subject_type = 'cold_file'`,
  );
  const purged = log.flatMap(({ key }) => before.get(key as string) ?? []);
  const reachable = [...hot, ...archived].map(({ event_id: id }) => id as string).concat(...cold.values());
  const all = [...reachable, ...purged];
  const counts = new Map<string, number>();
  for (const id of all) counts.set(id, (counts.get(id) ?? 0) + 1);

  if (log.reduce((sum, { rows }) => sum + (rows as number), 0) !== purged.length)
    problems.push("the log of the purge counts other rows than the files held");
  if (log.some(({ by }) => by !== "approver")) problems.push("a purge is logged without the approver");
  if (purged.some((id) => stored.underHold.has(id))) problems.push("events under a hold were purged");
  if (purged.length === 0) problems.push("nothing was purged");
  const unknown = all.filter((id) => !stored.written.has(id));
  if (unknown.length > 0) problems.push(`${unknown.length} events that nobody wrote`);
  const shown = await readAll(lane, PAGE_EVENTS);
  if (typeof shown === "number" || shown.toSorted().join() !== reachable.toSorted().join())
    problems.push("the last read of all pages shows other events than there are");
  problems.push(...(await leftOvers(lane, cold)));
  return {
    lost: [...stored.written].filter((id) => !counts.has(id)),
    doubled: [...counts].filter(([, n]) => n > 1).map(([id]) => id),
    problems,
  };
}

/** What is still to be done, objects that nothing names, alerts that nobody closes, guards that are off. */
async function leftOvers(lane: Lane, cold: Map<string, string[]>): Promise<string[]> {
  const files = fs
    .readdirSync(lane.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("manifest-"))
    .map((entry) => path.relative(lane.folder, path.join(entry.parentPath, entry.name)));
  const orphans = files.filter((key) => !cold.has(key));
  const found = await lane.sql(
    `select 'due for the archive: ' || month as what from audit.archive_plan() where kind = 'rows' or merge is not null or exists (
       select from audit.audit_events e where e.created_at >= month and e.created_at < month + interval '1 month'
     )
     union all select 'due for cold files: ' || month from audit.due_cold_months() month
     union all select 'still open: ' || code || ' of ' || subject from audit.alerts where code like 'archive.%' and resolved_at is null
     union all select 'without its guard: ' || table_name from audit.partition_guards where not (rows_guarded and statements_guarded)`,
  );
  return [
    ...found.map(({ what }) => what as string),
    ...orphans.slice(0, NAMED_MAX).map((key) => `left over in the storage: ${key}`),
  ];
}
