import { parseArgs, type ParseArgsConfig } from "node:util";

const WRONG_USAGE = 2;

type Options = NonNullable<ParseArgsConfig["options"]>;
type Given<T extends Options> = ReturnType<typeof parseArgs<{ options: T; allowPositionals: true }>>;

/**
 * What a program was given at a terminal. `--help` prints `help` and ends the process; what is none of `options`, or a
 * name where `allowPositionals` is not set, ends it with 2 and says so.
 */
export function parseOptions<const T extends Options>(
  help: string,
  options: T,
  { allowPositionals = false } = {},
): Given<T> {
  try {
    const all = { ...options, help: { type: "boolean", short: "h" } } as const;
    const given = parseArgs({ options: all, allowPositionals });
    if (!("help" in given.values)) return given as unknown as Given<T>;
  } catch (error) {
    const [wrong] = (error as Error).message.split(/\. |\.?\n|\.$/);
    return refuse(`${wrong}.`);
  }
  process.stdout.write(help);
  return process.exit(0);
}

/** The whole number that an option holds; ends the process where it is none from `min` to `max`. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max
    ? value
    : refuse(`${option} must be a whole number from ${min} to ${max}.`);
}

/** Ends the process for what it was given; `line` says what is wrong with it. */
export function refuse(line: string): never {
  process.stderr.write(`${line} See --help.\n`);
  return process.exit(WRONG_USAGE);
}
