/** What analytics must say, worked out from what was written alone: no roll-up, and days by ECMAScript's own calendar. */
export interface Written {
  at: Date;
  model: string;
  status: "placeholder" | "complete" | "failed";
  tokens: number;
  /** Micro-dollars, so that sums are exact; null: unpriced. */
  micros: number | null;
}

export interface Expected {
  messageCount: number;
  totalTokens: number;
  totalCost: number | null;
  averageCost: number | null;
  unpricedCount: number;
}

const MICROS = 1e6;

/** The local day of a moment, YYYY-MM-DD. */
export const dayIn = (zone: string) => {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  });
  return (at: Date) => format.format(at);
};

export function sumOf(trails: readonly Written[]): Expected {
  const messageCount = trails.length;
  const micros = trails.reduce((sum, one) => sum + (one.micros ?? 0), 0);
  const complete = trails.filter(({ status }) => status === "complete");
  const unpricedCount = complete.filter((one) => one.micros === null).length;
  const isUnpriced = unpricedCount > 0 && unpricedCount === complete.length && micros === 0;
  const priced = messageCount - unpricedCount;
  return {
    messageCount,
    totalTokens: trails.reduce((sum, { tokens }) => sum + tokens, 0),
    totalCost: isUnpriced ? null : micros / MICROS,
    averageCost: messageCount === 0 ? 0 : isUnpriced || priced === 0 ? null : micros / MICROS / priced,
    unpricedCount,
  };
}

/** The sums of each group that has trails, by the group's name. */
export function sumsBy(trails: readonly Written[], nameOf: (one: Written) => string): Map<string, Expected> {
  const groups = new Map<string, Written[]>();
  for (const one of trails) groups.set(nameOf(one), [...(groups.get(nameOf(one)) ?? []), one]);
  return new Map([...groups].map(([name, members]) => [name, sumOf(members)]));
}
