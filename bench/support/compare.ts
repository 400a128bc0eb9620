import type { Finding, Target } from "./measure.ts";
import type { Rates } from "./rounds.ts";
import { median } from "./statistics.ts";

export interface Comparison {
  reference: string;
  ours: readonly string[];
  /** What a contestant's line is called. */
  measure(name: string): string;
  unit: string;
  /** The target of a contestant; none for what only stands beside. */
  target(name: string): Target | undefined;
}

/** A line for each of ours: the ratio to the reference within each round. */
export function compareRates(
  rates: Rates,
  { reference, ours, measure, unit, target }: Comparison,
): Finding[] {
  const base = rates.get(reference) ?? [];
  return ours.map((name) => {
    const own = rates.get(name) ?? [];
    const wanted = target(name);
    return {
      measure: measure(name),
      reference: rateText(base, unit),
      ours: rateText(own, unit),
      ratios: own.map((rate, round) => rate / (base[round] ?? Number.NaN)),
      ...(wanted ? { target: wanted } : {}),
    };
  });
}

/** The targets are for the driver `pg`; the others stand beside it. */
export const ofPg = (variant: string, target: Target): Target | undefined =>
  variant === "pg" ? target : undefined;

const rateText = (rates: readonly number[], unit: string) =>
  `${Math.round(median(rates)).toLocaleString("en")} ${unit}`;
