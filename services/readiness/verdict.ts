export interface Check {
  name: string;
  status: "ok" | "warn" | "fail";
  /** What was found, for people. */
  detail: string;
  /** What to do about it; absent when nothing is wrong. */
  action?: string;
}

/**
 * What a check found; it gets its name from the list of checks. Anybody may read `detail` and `action`, so they count what is
 * the application's own (its tables, roles, channels, variables); `forOperator` stands in their place where it may be named.
 */
export interface Verdict extends Omit<Check, "name"> {
  forOperator?: { detail: string; action?: string };
}

export const ok = (detail: string): Verdict => ({ status: "ok", detail });

/** What a public verdict says of what it does not name. */
export const NAMED_BY_DOCTOR = "Run: npx afterimage doctor, which names them and says what to do.";

/** `1 table`, `2 tables`. */
export const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
