export type MetricType = "counter" | "gauge" | "histogram" | "summary" | "untyped";

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  help: string;
  type: MetricType;
  samples: Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\]|\\\\\\\\|\\\\n)*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/y;
const NUMBER = /^(?:[+-]?Inf|NaN|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i;
const UNESCAPED: Record<string, string> = { "\\\\": "\\", '\\"': '"', "\\n": "\n" };

/**
 * Prometheus' text format 0.0.4 as families by name; throws on text that is not it, or that says anything twice. Stricter
 * than Prometheus: HELP and TYPE come first for each family, which stands in one piece, and no sample has a timestamp.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: { name: string; family: Family } | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.split("\n")) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${JSON.stringify(line)}`);
    };
    if (line === "") continue;
    const [, helpName, helpText = ""] = HELP.exec(line) ?? [];
    const [, typeName, type] = TYPE.exec(line) ?? [];
    if (helpName !== undefined) {
      help = { name: helpName, text: helpText };
    } else if (typeName !== undefined) {
      if (help?.name !== typeName) fail("TYPE without its HELP before it");
      if (families.has(typeName)) fail("a family in two pieces");
      current = { name: typeName, family: { help: help?.text ?? "", type: type as MetricType, samples: [] } };
      families.set(typeName, current.family);
    } else {
      const [, name = "", labelText, number = ""] = SAMPLE.exec(line) ?? fail("no sample");
      if (!current || !belongs(name, current)) return fail("a sample of another family");
      if (!NUMBER.test(number)) fail("no number");
      const labels = parseLabels(labelText ?? "") ?? fail("no labels");
      const id = `${name} ${JSON.stringify(Object.entries(labels).toSorted())}`;
      if (seen.has(id)) fail("a series twice");
      seen.add(id);
      current.family.samples.push({ name, labels, value: toNumber(number) });
    }
  }
  for (const [name, family] of families) if (family.type === "histogram") checkHistogram(name, family);
  return families;
}

function belongs(sample: string, { name, family }: { name: string; family: Family }): boolean {
  if (family.type !== "histogram") return sample === name;
  return ["_bucket", "_sum", "_count"].some((suffix) => sample === name + suffix);
}

function parseLabels(text: string): Record<string, string> | null {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name = "", value = ""] = LABEL.exec(text) ?? [];
    if (name === "" || labels.has(name)) return null;
    labels.set(
      name,
      value.replaceAll(/\\[\\"n]/g, (escaped) => UNESCAPED[escaped] as string),
    );
  }
  return Object.fromEntries(labels);
}

const toNumber = (text: string) => Number(text.replace(/inf$/i, "Infinity"));

/** Buckets grow, end at +Inf, and that one is the count. */
function checkHistogram(name: string, { samples }: Family): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _le, ...labels } = sample.labels;
    const id = JSON.stringify(Object.entries(labels).toSorted());
    groups.set(id, [...(groups.get(id) ?? []), sample]);
  }
  for (const [id, group] of groups) {
    const buckets = group.filter((one) => one.name === `${name}_bucket`);
    const bounds = buckets.map((one) => toNumber(one.labels.le ?? "NaN"));
    const counts = buckets.map((one) => one.value);
    const grows = (numbers: number[]) => numbers.every((one, i) => i === 0 || one >= (numbers[i - 1] ?? one));
    const count = group.find((one) => one.name === `${name}_count`)?.value;
    const hasSum = group.some((one) => one.name === `${name}_sum`);
    const isSound = grows(bounds) && grows(counts) && bounds.at(-1) === Infinity && counts.at(-1) === count;
    if (!isSound || !hasSum) throw new Error(`not a histogram: ${name} ${id}`);
  }
}
