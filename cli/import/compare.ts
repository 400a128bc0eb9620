import { differences } from "../../client/differences.ts";
import { mergePut } from "../../client/merge.ts";
import type { StoredTrail, WireTrail } from "../../client/trail.ts";
import type { Context } from "../../services/context.ts";
import { findTrailsOf } from "../../services/trails/find-many.ts";
import type { PastTrail } from "../../services/trails/import.ts";
import { readBatches, type Line } from "./lines.ts";
import { fields, LineError, textOf, toTrail, type Fields } from "./parse.ts";

/** Stored trails of full size that are looked at together take 100 MiB. */
const FOUND_MAX = 100;
const VALUE_LENGTH_MAX = 60;

export interface CompareReport {
  /** Bytes of the file that are done. */
  advance(bytes: number): void;
  /** One thing that is not equal, in words. */
  finding(text: string): void;
}

export interface CompareCounts {
  equal: number;
  different: number;
  missing: number;
  unreadable: number;
}

interface NamedTrail {
  line: number;
  trail: PastTrail;
  /** The line as it stands. */
  named: Fields;
}

/** Compares each line of a file with the trail that is stored, in the fields that the line names. */
export async function compareTrails(
  ctx: Context,
  file: string,
  projectId: string | undefined,
  report: CompareReport,
): Promise<CompareCounts> {
  const counts: CompareCounts = { equal: 0, different: 0, missing: 0, unreadable: 0 };
  const read = (lines: readonly Line[]): NamedTrail[] =>
    lines.flatMap((line) => {
      if (line.text?.trim() === "") return [];
      try {
        const named = fields(textOf(line));
        return [{ line: line.number, trail: toTrail(named, projectId), named }];
      } catch (error) {
        if (!(error instanceof LineError)) throw error;
        counts.unreadable++;
        report.finding(`line ${line.number}  ${error.message}`);
        return [];
      }
    });
  let offset = 0;
  for await (const { lines, end } of readBatches(file)) {
    const trails = read(lines);
    for (let i = 0; i < trails.length; i += FOUND_MAX) {
      await compare(ctx, trails.slice(i, i + FOUND_MAX), counts, report);
    }
    report.advance(end - offset);
    offset = end;
  }
  return counts;
}

async function compare(
  ctx: Context,
  trails: readonly NamedTrail[],
  counts: CompareCounts,
  report: CompareReport,
): Promise<void> {
  const keys = trails.map(({ trail: { projectId, messageId } }) => ({ projectId, messageId }));
  const stored = new Map((await findTrailsOf(ctx, keys)).map((one) => [keyOf(one), one as StoredTrail]));
  for (const { line, trail, named } of trails) {
    const found = stored.get(keyOf(trail));
    const faults = found ? differing(trail, named, found) : ["is not stored"];
    counts[!found ? "missing" : faults.length > 0 ? "different" : "equal"]++;
    for (const fault of faults) report.finding(`line ${line}  ${trail.messageId}  ${fault}`);
  }
}

const keyOf = ({ projectId, messageId }: { projectId: string; messageId: string }) =>
  JSON.stringify([projectId, messageId]);

/** Status follows from what a line names; of the rest, what it leaves out is not compared. */
function differing(trail: PastTrail, named: Fields, stored: StoredTrail): string[] {
  const wire = { ...trail, timestamp: trail.timestamp.toISOString() } as WireTrail;
  return differences(mergePut(undefined, wire), stored)
    .filter(({ field }) => field === "status" || isNamed(named, field))
    .map(({ field, one, other }) => `${field}  file ${shown(one)}  stored ${shown(other)}`);
}

function isNamed(named: Fields, field: string): boolean {
  const [group = "", name] = field.split(".");
  const value = named[group];
  if (value === undefined) return false;
  return name === undefined || value === null || name in (value as object);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
