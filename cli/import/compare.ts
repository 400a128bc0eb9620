import { differences } from "../../client/differences.ts";
import { mergePut } from "../../client/merge.ts";
import type { StoredTrail, WireTrail } from "../../client/trail.ts";
import type { Context } from "../../services/context.ts";
import { findTrailsOf } from "../../services/trails/find-many.ts";
import { LINE_BYTES_MAX, readLines } from "./lines.ts";
import { fields, LineError, parseTrail } from "./parse.ts";

const BATCH_TRAILS = 500;
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

type PastTrail = ReturnType<typeof parseTrail>;

interface NamedTrail {
  line: number;
  trail: PastTrail;
  /** The line as it stands. */
  named: Record<string, unknown>;
}

/** Compares each line of a file with the trail that is stored, in the fields that the line names. */
export async function compareTrails(
  ctx: Context,
  file: string,
  projectId: string | undefined,
  report: CompareReport,
): Promise<CompareCounts> {
  const counts: CompareCounts = { equal: 0, different: 0, missing: 0, unreadable: 0 };
  let batch: NamedTrail[] = [];
  let offset = 0;
  const compare = async () => {
    const keys = batch.map(({ trail: { projectId, messageId } }) => ({ projectId, messageId }));
    const stored = new Map((await findTrailsOf(ctx, keys)).map((one) => [keyOf(one), one as StoredTrail]));
    for (const { line, trail, named } of batch) {
      const found = stored.get(keyOf(trail));
      const faults = found ? differing(trail, named, found) : ["is not stored"];
      counts[!found ? "missing" : faults.length > 0 ? "different" : "equal"]++;
      for (const fault of faults) report.finding(`line ${line}  ${trail.messageId}  ${fault}`);
    }
    batch = [];
  };
  for await (const { number, text, end } of readLines(file)) {
    try {
      if (text === null) throw new LineError(`is longer than ${LINE_BYTES_MAX} bytes`);
      if (text.trim() !== "")
        batch.push({ line: number, trail: parseTrail(text, projectId), named: fields(text) });
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      counts.unreadable++;
      report.finding(`line ${number}  ${error.message}`);
    }
    if (batch.length >= BATCH_TRAILS) await compare();
    report.advance(end - offset);
    offset = end;
  }
  await compare();
  return counts;
}

const keyOf = ({ projectId, messageId }: { projectId: string; messageId: string }) =>
  JSON.stringify([projectId, messageId]);

/** Status follows from what a line names; of the rest, what it leaves out is not compared. */
function differing(trail: PastTrail, named: NamedTrail["named"], stored: StoredTrail): string[] {
  const wire = { ...trail, timestamp: trail.timestamp.toISOString() } as WireTrail;
  return differences(mergePut(undefined, wire), stored)
    .filter(({ field }) => field === "status" || isNamed(named, field))
    .map(({ field, one, other }) => `${field}  file ${shown(one)}  stored ${shown(other)}`);
}

function isNamed(named: NamedTrail["named"], field: string): boolean {
  const [group = "", name] = field.split(".");
  const value = named[group];
  if (value === undefined) return false;
  return name === undefined || value === null || name in (value as object);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
