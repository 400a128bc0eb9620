import type { Finding } from "./measure.ts";
import type { Rates } from "./rounds.ts";
import { median } from "./statistics.ts";

export interface Comparison {
  reference: string;
  ours: readonly string[];
  /** What a contestant's line is called. */
  measure(name: string): string;
  unit: string;
  /** For the driver `pg`; what else is measured stands beside it. */
  target?: { atLeast: number } | { atMost: number };
}

/** A line for each of ours: the ratio to the reference within each round. */
export function compareRates(
  rates: Rates,
  { reference, ours, measure, unit, target }: Comparison,
): Finding[] {
  const base = rates.get(reference) ?? [];
  return ours.map((name) => {
    const own = rates.get(name) ?? [];
    return {
      measure: measure(name),
      reference: rateText(base, unit),
      ours: rateText(own, unit),
      ratios: own.map((rate, round) => rate / (base[round] ?? Number.NaN)),
      ...(target && name.startsWith("pg") && !name.includes("redis") ? { target } : {}),
    };
  });
}

const rateText = (rates: readonly number[], unit: string) =>
  `${Math.round(median(rates)).toLocaleString("en")} ${unit}`;
