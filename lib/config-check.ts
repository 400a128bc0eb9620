import type { Config, JobConfig, TableConfig } from "./config.ts";
import { columnsOf, parseTemplate } from "./template.ts";

/**
 * What in a configuration does not fit the database, in words; empty when all does. `columnsOfTable` answers the columns
 * that a tracked table's history holds, and null for what is no tracked table.
 */
export function checkConfig(
  config: Config,
  columnsOfTable: (table: string) => readonly string[] | null,
): string[] {
  return tablesOf(config).flatMap((name) => {
    const columns = columnsOfTable(name);
    if (columns === null) return [`${name} is no tracked table`];
    const table = config.tables[name];
    const used = new Set(table ? [...columnsOfFormats(table), ...(table.touch ?? [])] : []);
    return [...used]
      .filter((column) => !columns.includes(column))
      .map(
        (column) => `${name} has no column ${column}, or its history does not hold it (excluded or redacted)`,
      );
  });
}

/** The variables of the environment that a configuration names, each once. */
export const variablesOf = (config: Config): string[] => [
  ...new Set(Object.values(config.tables).flatMap(variablesOfTable)),
];

/** Every table that a configuration names, each once. */
export const tablesOf = (config: Config): string[] => [
  ...new Set([
    ...Object.keys(config.tables),
    ...(config.restores.approval ?? []).flatMap((rule) => rule.tables ?? []),
  ]),
];

const columnsOfFormats = ({ cache = [], jobs = [], check }: TableConfig): string[] => [
  ...cache.flatMap((format) => columnsOf(parseTemplate(format, { wildcards: true }))),
  ...jobs.flatMap(columnsOfJob),
  ...(check ? columnsOf(parseTemplate(check.url)) : []),
];

/** The columns that a job is made of. */
export const columnsOfJob = ({ data, key }: JobConfig): string[] =>
  [...Object.values(data), key].flatMap((value) =>
    typeof value === "string" ? columnsOf(parseTemplate(value)) : [],
  );

const variablesOfTable = ({ jobs = [], check }: TableConfig): string[] => [
  ...jobs.flatMap((job) => ("url" in job ? [job.secretEnv] : [])),
  ...Object.values(check?.headers ?? {}).map((header) => header.env),
];
