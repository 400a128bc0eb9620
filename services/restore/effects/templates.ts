import type { AppliedRow, RowImage } from "../../../db/queries/restore-applied-rows.ts";
import type { TemplatePart } from "../../../lib/template.ts";

const asIs = (value: string) => value;

/** The text of a template with a row's values in it; null when one of them is null or not in the image. */
export function fill(
  parts: readonly TemplatePart[],
  image: RowImage,
  encode: (value: string) => string = asIs,
): string | null {
  let text = "";
  for (const part of parts) {
    if ("text" in part) text += part.text;
    else if ("column" in part) {
      const value = image[part.column];
      if (value === null || value === undefined) return null;
      text += encode(value);
    }
  }
  return text;
}

/** The row before and after, where there was one: what was cached or queued under either is affected. */
export const imagesOf = ({ before, after }: Pick<AppliedRow, "before" | "after">): RowImage[] =>
  [before, after].filter((image) => image !== null);

/** A pattern of keys: the texts between its wildcards. What a row's values hold stays text. */
export type KeyPattern = readonly [string, ...string[]];

/** A pattern with a row's values in it; null when one of them is null or not in the image. */
export function fillPattern(parts: readonly TemplatePart[], image: RowImage): KeyPattern | null {
  const texts: [string, ...string[]] = [""];
  for (const part of parts) {
    if ("any" in part) texts.push("");
    else {
      const text = fill([part], image);
      if (text === null) return null;
      texts[texts.length - 1] += text;
    }
  }
  return texts;
}

/** Redis' pattern (https://redis.io/docs/latest/commands/keys/) that matches exactly this text. */
export const escapeGlob = (text: string): string => text.replaceAll(/[\\*?[\]]/g, "\\$&");

export const toGlob = (pattern: KeyPattern): string => pattern.map(escapeGlob).join("*");

/** Whether a key is one of a pattern's. */
export function matches([prefix, ...rest]: KeyPattern, key: string): boolean {
  const suffix = rest.pop();
  if (suffix === undefined) return key === prefix;
  if (!key.startsWith(prefix)) return false;
  let at = prefix.length;
  for (const text of rest) {
    const found = key.indexOf(text, at);
    if (found < 0) return false;
    at = found + text.length;
  }
  return key.length >= at + suffix.length && key.endsWith(suffix);
}
