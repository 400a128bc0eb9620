import type { Report } from "./engine.ts";

/** The report as a table by route and class of answer, and what broke. */
export function printReport(report: Report): void {
  console.log(reportText(report));
}

export function reportText({ answers, twists, ...report }: Report): string {
  const classes = [...new Set([...answers.values()].flatMap((row) => [...row.keys()]))].toSorted();
  const width = Math.max(...[...answers.keys()].map((name) => name.length), 9);
  const line = (name: string, cells: unknown[]) =>
    name.padEnd(width) + cells.map((one) => String(one).padStart(7)).join("");
  const rows = [...answers].map(([name, row]) =>
    line(
      name,
      classes.map((one) => row.get(one) ?? "·"),
    ),
  );
  const totals = classes.map((one) =>
    [...answers.values()].reduce((sum, row) => sum + (row.get(one) ?? 0), 0),
  );
  const tried = [...twists].toSorted(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`);
  return [
    line("operation", classes),
    ...rows,
    line("all", totals),
    `\n${tried.join(", ")}`,
    `\n${report.runs} requests in ${report.seconds.toFixed(1)} s (${Math.round(report.runs / report.seconds)} a second), seed ${report.seed}`,
    ...report.neverAccepted.map(
      (name) => `NOTHING ACCEPTED: ${name}; give tests/attack/world.ts a record for it`,
    ),
    ...report.aftermath.map((one) => `AFTERWARDS: ${one}`),
    ...(report.finding ? findingLines(report.finding) : []),
  ].join("\n");
}

const findingLines = ({ curl, twist, wrong, answer }: NonNullable<Report["finding"]>) => [
  `\nBROKEN (${twist}): ${wrong.join("; ")}`,
  curl,
  `answer: ${answer}`,
];
