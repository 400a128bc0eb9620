export interface Check {
  name: string;
  status: "ok" | "warn" | "fail";
  /** What was found, for people. */
  detail: string;
  /** What to do about it; absent when nothing is wrong. */
  action?: string;
}

/** What a check found; it gets its name from the list of checks. */
export type Verdict = Omit<Check, "name">;

export const ok = (detail: string): Verdict => ({ status: "ok", detail });
