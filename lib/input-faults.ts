import type { z } from "zod";

/** A caller with a thousand wrong fields learns of the first ones. */
const FAULTS_MAX = 100;

/** One thing that is wrong with an input. */
export interface Fault {
  path: PropertyKey[];
  /** What kind of fault it is, for programs: zod's code. */
  code: string;
  /** What to write there, for people, to be read after the path: `must be text`. It repeats nothing of the input. */
  message: string;
}

/** An input as a schema reads it, or what is wrong with it: its first faults, 1 to 100. */
export type Checked<T> = { data: T; faults?: never } | { data?: never; faults: [Fault, ...Fault[]] };

/** Reads an input by a schema; never throws. */
export function checkInput<T extends z.ZodType>(schema: T, value: unknown): Checked<z.output<T>> {
  const result = schema.safeParse(value, { error: faultInWords });
  if (result.success) return { data: result.data };
  const faults = result.error.issues.slice(0, FAULTS_MAX).flatMap((issue) => faultsOf(issue, []));
  return { faults: faults.slice(0, FAULTS_MAX) as [Fault, ...Fault[]] };
}

function faultsOf(issue: z.core.$ZodIssue, above: PropertyKey[]): Fault[] {
  const path = [...above, ...issue.path];
  if (issue.code === "invalid_union") {
    const meant = meantAlternative(issue.errors);
    if (meant) return meant.flatMap((one) => faultsOf(one, path));
  }
  if (issue.code !== "unrecognized_keys") return [{ path, code: issue.code, message: issue.message }];
  return issue.keys.map((key) => ({
    path: [...path, key],
    code: issue.code,
    message: "is not a known field",
  }));
}

/** Of what may stand in one place: the faults of the one alternative that knows more of the given fields than any other. */
function meantAlternative(alternatives: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const strangers = (issues: z.core.$ZodIssue[]) =>
    issues.flatMap((one) => (one.code === "unrecognized_keys" && one.path.length === 0 ? one.keys : []))
      .length;
  const fewest = Math.min(...alternatives.map(strangers));
  const nearest = alternatives.filter((one) => strangers(one) === fewest);
  return nearest.length === 1 ? nearest[0] : undefined;
}

const TYPES: Record<string, string> = {
  string: "must be text",
  number: "must be a number",
  int: "must be a whole number",
  boolean: "must be true or false",
  array: "must be a list",
  object: "must be an object",
  record: "must be an object",
  null: "must be null",
};
const FORMATS: Record<string, string> = {
  date: "must be a day, as 2026-01-31",
  datetime: "must be a time with its zone, as 2026-01-31T12:00:00Z",
  url: "must be a URL",
  uuid: "must be a UUID",
};
const OTHERWISE = "is not valid";

/** What a schema that has no words of its own says of a fault: what to write instead, and nothing of what was written. */
export function faultInWords(issue: z.core.$ZodRawIssue): string {
  if (issue.input === undefined && issue.code.startsWith("invalid_")) return "is required";
  switch (issue.code) {
    case "invalid_type":
      return TYPES[issue.expected] ?? OTHERWISE;
    case "invalid_value":
      return `must be ${orList(issue.values.map(String))}`;
    case "too_small":
      return issue.inclusive === false
        ? `must be more than ${issue.minimum}`
        : atLeast(issue.origin, issue.minimum);
    case "too_big":
      return issue.inclusive === false
        ? `must be less than ${issue.maximum}`
        : atMost(issue.origin, issue.maximum);
    case "invalid_format":
      return FORMATS[issue.format] ?? OTHERWISE;
    case "invalid_key":
      return `has a name that ${issue.issues[0]?.message ?? OTHERWISE}`;
    default:
      return OTHERWISE;
  }
}

const UNITS: Record<string, string> = { string: "characters", array: "items" };

function atLeast(origin: string, least: number | bigint): string {
  const unit = UNITS[origin];
  if (unit === undefined) return `must be at least ${least}`;
  return least === 1 ? "must not be empty" : `must have at least ${least} ${unit}`;
}

function atMost(origin: string, most: number | bigint): string {
  const unit = UNITS[origin];
  return unit === undefined ? `must be at most ${most}` : `must have at most ${most} ${unit}`;
}

/** `a`, `a or b`, `a, b or c` */
const orList = (values: string[]) =>
  values.length < 2 ? values.join("") : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
