import { ServiceError } from "../errors.ts";

/** Rows of one transaction, unless said otherwise. */
export const CHUNK_ROWS = 5_000;

/** What a plan may come to. */
export interface Limits {
  /** Rows that a restore changes. */
  itemsMax: number;
  /** Entries of the history that it looks at. */
  entriesMax: number;
  /** How far relations are followed: children of children, parents of parents. */
  roundsMax: number;
}

export const LIMITS: Limits = { itemsMax: 200_000, entriesMax: 1_000_000, roundsMax: 200 };

export const tooManyItems = (count: number, { itemsMax }: Limits) =>
  new ServiceError(
    "conflict",
    `This target has ${count} rows; a restore takes ${itemsMax} at most. Name fewer tables, a filter, or a time nearer to the damage.`,
  );

/** A filter does not help here: it is held against what the changes come to. */
export const tooManyEntries = ({ entriesMax }: Limits) =>
  new ServiceError(
    "conflict",
    `This target has more than ${entriesMax} changes to look at. Name fewer tables, or a time nearer to the damage.`,
  );

export const tooDeep = ({ roundsMax }: Limits) =>
  new ServiceError(
    "conflict",
    `Rows that come along reference others in turn, over more than ${roundsMax} steps. Restore the tables as of a time instead: { tables, at }.`,
  );
