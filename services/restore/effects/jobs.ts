import type { JobConfig } from "../../../lib/config.ts";
import { parseTemplate } from "../../../lib/template.ts";
import { effectName, sha256 } from "./names.ts";
import type { AppliedRow, EffectsOf, RowImage } from "./rows.ts";
import { fill, imagesOf } from "./templates.ts";

type JobData = Record<string, string | number | boolean | null>;

/** A job to enqueue. */
export interface Job {
  /** The same each time it is made for this run and repeat; the receiver tells a repetition by it. */
  id: string;
  /** What it is noted under. */
  name: string;
  config: JobConfig;
  data: JobData;
}

type Fill = (image: RowImage) => string | null;

/** The jobs that rows ask for, each once. Of rows that share one, the first row's values go into it. */
export function jobsOf(
  { runId, repeat }: EffectsOf,
  rows: readonly AppliedRow[],
  makers: Record<string, JobMaker[]>,
): Job[] {
  const jobs = new Map<string, Job>();
  for (const row of rows)
    for (const maker of makers[row.table] ?? [])
      for (const { key, data } of maker.make(row)) {
        const to = "event" in maker.config ? maker.config.event : maker.config.url;
        const name = effectName(`${to} ${key}`);
        if (jobs.has(name)) continue;
        const id = `job-${sha256(`${runId}:${repeat}:${to}:${key}`)}`;
        jobs.set(name, { id, name, config: maker.config, data });
      }
  return [...jobs.values()];
}

interface JobMaker {
  config: JobConfig;
  make(row: AppliedRow): { key: string; data: JobData }[];
}

/**
 * Makes a row's jobs: one of its own; with a `key`, one for what the key comes to after the restore and one for what it
 * came to before, where that differs. A key with a null column in it counts as none.
 */
export function jobMaker(config: JobConfig): JobMaker {
  const fillKey = config.key === undefined ? undefined : filler(config.key);
  const fields = Object.entries(config.data).map(
    ([field, value]) => [field, typeof value === "string" ? filler(value) : () => value] as const,
  );
  const dataOf = (image: RowImage): JobData =>
    Object.fromEntries(fields.map(([field, value]) => [field, value(image)]));
  return {
    config,
    make: (row) => {
      // Newest first: whoever takes the job is to find the row as it is.
      const images = imagesOf(row).toReversed();
      const keyed = new Map<string, RowImage>();
      for (const image of images) {
        const key = fillKey?.(image) ?? null;
        if (key !== null && !keyed.has(key)) keyed.set(key, image);
      }
      const [newest] = images;
      if (keyed.size === 0 && newest) keyed.set(`${row.table}:${row.recordId}`, newest);
      return [...keyed].map(([key, image]) => ({ key, data: dataOf(image) }));
    },
  };
}

function filler(template: string): Fill {
  const parts = parseTemplate(template);
  return (image) => fill(parts, image);
}
