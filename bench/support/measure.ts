import type { Stage, Variant } from "./stage.ts";

/** How much a measure does; `--quick` and the smoke test do less of the same. */
export interface Sizes {
  batches: number;
  batchRows: number;
  singles: number;
  /** Events, and as many trails, in the two databases that are read. */
  fill: [small: number, large: number];
  reads: number;
  starts: number;
  /** Requests before the first and before the second look at the memory. */
  memoryRequests: [early: number, late: number];
  /** Deleted rows that a restore brings back. */
  restoreRows: number;
  /** Entries of the two row histories that are read. */
  historyRows: [small: number, large: number];
  /** Cold months, and the events in each. */
  cold: { months: number; rows: number };
  capture: { singles: number; bulk: number; memoryRows: number };
  /** Events of the month that is archived, and how often. */
  archiveRows: number;
  archiveRounds: number;
  /** Events in each month of the two logs that are read. */
  monthRows: number;
  /** Events that the client logs in a round. */
  clientEvents: number;
  /** Trails of the two projects that are summed up. */
  trails: [few: number, many: number];
}

export const FULL: Sizes = {
  batches: 20,
  batchRows: 1_000,
  singles: 4_000,
  fill: [100_000, 5_000_000],
  reads: 500,
  starts: 3,
  memoryRequests: [1_000, 100_000],
  restoreRows: 100_000,
  historyRows: [100_000, 5_000_000],
  cold: { months: 12, rows: 100_000 },
  capture: { singles: 2_000, bulk: 10_000, memoryRows: 500_000 },
  archiveRows: 1_000_000,
  archiveRounds: 3,
  monthRows: 20_000,
  clientEvents: 20_000,
  trails: [1_000_000, 5_000_000],
};

export const QUICK: Sizes = {
  batches: 5,
  batchRows: 1_000,
  singles: 1_000,
  fill: [20_000, 200_000],
  reads: 100,
  starts: 1,
  memoryRequests: [1_000, 5_000],
  restoreRows: 10_000,
  historyRows: [20_000, 200_000],
  cold: { months: 12, rows: 5_000 },
  capture: { singles: 200, bulk: 1_000, memoryRows: 5_000 },
  archiveRows: 50_000,
  archiveRounds: 1,
  monthRows: 1_000,
  clientEvents: 4_000,
  trails: [100_000, 500_000],
};

export interface Run {
  stage: Stage;
  sizes: Sizes;
  rounds: number;
  variants: readonly Variant[];
  /** The file that makes supa_audit, to measure it beside ours. */
  supaAudit?: string;
}

export type Target = { atLeast: number } | { atMost: number };

/** One line of a table. */
export interface Finding {
  measure: string;
  reference: string;
  ours: string;
  /** Of ours to the reference, one a round; the target is for their median. */
  ratios: readonly number[];
  target?: Target;
}

export interface Result {
  findings: readonly Finding[];
  /** What the table does not say, a paragraph each. */
  notes: readonly string[];
}

export interface Measure {
  name: string;
  title: string;
  run(run: Run): Promise<Result>;
}
