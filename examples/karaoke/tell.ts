/** How the story is told at the terminal. */
export const say = (line = "") => console.log(line && `  ${line}`);

export const chapter = (title: string) => console.log(`\n━━ ${title}`);

/** What an operator would type. */
export const command = (line: string) => console.log(`\n  $ ${line}`);

/** Something that must be so for the story to be true; throws an Error when it is not. */
export function told(what: string, isSo: boolean): void {
  console.log(`  ${isSo ? "✓" : "✗"} ${what}`);
  if (!isSo) throw new Error(`Not as told: ${what}`);
}

/** Rows as columns, each as wide as its widest value. */
export function table(rows: Record<string, unknown>[]): void {
  const [first] = rows;
  if (!first) return say("(none)");
  const names = Object.keys(first);
  const text = [names, ...rows.map((row) => names.map((name) => shown(row[name])))];
  const widths = names.map((_, i) => Math.max(...text.map((line) => (line[i] as string).length)));
  for (const line of text)
    say(
      line
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join("  ")
        .trimEnd(),
    );
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (value instanceof Date) return value.toISOString();
  return typeof value === "string" ? value : JSON.stringify(value);
}
