import { z } from "zod";
import { configSchema } from "./config-schema.ts";
import { faultInWords } from "./input-faults.ts";

export type Config = z.infer<typeof configSchema>;
export type TableConfig = Config["tables"][string];
export type JobConfig = NonNullable<TableConfig["jobs"]>[number];
export type CheckConfig = NonNullable<TableConfig["check"]>;

/**
 * What `afterimage.config.ts` exports, checked and with its defaults. Throws an Error that names each wrong field and says
 * what to write instead; column names cannot be checked here (`checkConfig` does).
 */
export function defineConfig(config: z.input<typeof configSchema>): Config {
  const parsed = configSchema.safeParse(config, { error: faultInWords });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) => faultsOf(issue, []));
  throw new Error(
    `The configuration has faults:\n  ${faults.join("\n  ")}\nSee docs/RESTORES.md, and docs/CLEANUP.md for retention.`,
  );
}

/** Of the ways in which a job can be written, the one that it comes closest to is the one that was meant. */
function faultsOf(issue: z.core.$ZodIssue, above: PropertyKey[]): string[] {
  const path = [...above, ...issue.path];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const [closest = []] = issue.errors.toSorted((a, b) => a.length - b.length);
    return closest.flatMap((inner) => faultsOf(inner, path));
  }
  return [`${inWords(path)}: ${issue.message}`];
}

/** `tables["public.venues"].cache[0]` */
const inWords = (path: PropertyKey[]): string =>
  path.length === 0
    ? "(the whole)"
    : path
        .map((part) =>
          typeof part === "number"
            ? `[${part}]`
            : /^\w+$/.test(String(part))
              ? `.${String(part)}`
              : `[${JSON.stringify(String(part))}]`,
        )
        .join("")
        .replace(/^\./, "");
