import type { Answer, Sent } from "./send.ts";

/**
 * What a list shows that its filters leave out. A parameter that carries the name of a field of the items asks for this
 * value of it, or for a beginning when it ends in `*`; `text` asks for what is somewhere in the item.
 */
export function judgeFilters(sent: Sent, answer: Answer): string[] {
  const { items } = (answer.json ?? {}) as { items?: Record<string, unknown>[] };
  if (sent.method !== "GET" || !Array.isArray(items)) return [];
  return items.flatMap((item) =>
    Object.entries(sent.query).flatMap(([name, wanted]) => {
      const value = item[name];
      if (name === "text")
        return holds(item, wanted) ? [] : [`lists an item without the text ${JSON.stringify(wanted)}`];
      if (typeof value !== "string" || value === wanted) return [];
      if (wanted.endsWith("*") && value.startsWith(wanted.slice(0, -1))) return [];
      return [`lists ${JSON.stringify(value)} for ${name}=${JSON.stringify(wanted)}`];
    }),
  );
}

function holds(item: Record<string, unknown>, wanted: string): boolean {
  // Folding is Unicode's; only where it cannot matter is the answer known here.
  if (!/^[\x20-\x7e]*$/.test(wanted)) return true;
  const escaped = JSON.stringify(wanted).slice(1, -1).toLowerCase();
  return JSON.stringify(item).toLowerCase().includes(escaped);
}
