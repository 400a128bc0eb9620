import fs from "node:fs";
import os from "node:os";
import type { Finding, Result } from "./measure.ts";
import type { BenchDatabase } from "./stage.ts";
import { median } from "./statistics.ts";

const BYTES_PER_GB = 2 ** 30;

/** What the figures were taken on, in one line; the settings are the server's own words. */
export async function machineFacts(database: Pick<BenchDatabase, "query">): Promise<string> {
  const [row] = await database.query<Record<string, string>>(`
    select current_setting('server_version') as version, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as commit, current_setting('shared_buffers') as buffers,
      current_setting('data_checksums') as checksums`);
  const cores = os.cpus();
  return [
    `${cores.length} cores (${cores[0]?.model.trim() ?? "unknown"})`,
    `${(os.totalmem() / BYTES_PER_GB).toFixed(0)} GB`,
    `${os.type()} ${os.arch()}`,
    `Node ${process.versions.node}`,
    `PostgreSQL ${row?.version} (fsync ${row?.fsync}, synchronous_commit ${row?.commit}, checksums ${row?.checksums}, shared_buffers ${row?.buffers})`,
  ].join(" · ");
}

/** A measure's findings as a Markdown table, its notes below. */
export function toMarkdown({ findings, notes }: Result): string {
  const lines = [
    "| measure | reference | ours | ratio: median [min–max] | target | met |",
    "|---|---|---|---|---|---|",
    ...findings.map(
      (one) => `| ${[one.measure, one.reference, one.ours, ratioText(one), ...verdict(one)].join(" | ")} |`,
    ),
  ];
  return [lines.join("\n"), ...notes].join("\n\n");
}

function ratioText({ ratios }: Finding): string {
  if (ratios.length === 0) return "";
  const text = (value: number) => value.toFixed(2);
  return `${text(median(ratios))} [${text(Math.min(...ratios))}–${text(Math.max(...ratios))}]`;
}

function verdict({ target, ratios }: Finding): [target: string, met: string] {
  if (target === undefined) return ["", ""];
  const value = median(ratios);
  const isMet = "atLeast" in target ? value >= target.atLeast : value <= target.atMost;
  return ["atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`, isMet ? "yes" : "**no**"];
}

/** Puts a text between the document's markers of this name; throws when the document lacks them. */
export function writeBetweenMarkers(file: string, name: string, text: string): void {
  const document = fs.readFileSync(file, "utf8");
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const from = document.indexOf(open);
  const to = document.indexOf(close);
  if (from < 0 || to < from) throw new Error(`${file} has no place for ${name}: it lacks ${open} … ${close}`);
  fs.writeFileSync(file, `${document.slice(0, from + open.length)}\n${text}\n${document.slice(to)}`);
}
