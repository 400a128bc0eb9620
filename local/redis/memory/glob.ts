/**
 * Redis' patterns (https://redis.io/docs/latest/commands/keys/): `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and
 * `\` before a character that stands for itself. Takes pattern length × text length steps at worst.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  // Only the last star needs another try: an earlier one can always leave more to the later.
  let star: { p: number; t: number } | null = null;
  while (t < text.length || p < pattern.length) {
    if (pattern[p] === "*") {
      star = { p: ++p, t };
      continue;
    }
    const step = t < text.length && p < pattern.length ? matchOne(pattern, p, text[t] ?? "") : null;
    if (step !== null) {
      p = step;
      t++;
    } else if (star !== null && star.t < text.length) {
      t = ++star.t;
      p = star.p;
    } else return false;
  }
  return true;
}

/** The position after the pattern's next element when that element matches `character`, else null. */
function matchOne(pattern: string, p: number, character: string): number | null {
  switch (pattern[p]) {
    case "?":
      return p + 1;
    case "[":
      return matchClass(pattern, p + 1, character);
    case "\\": {
      const at = p + 1 < pattern.length ? p + 1 : p;
      return pattern[at] === character ? at + 1 : null;
    }
    default:
      return pattern[p] === character ? p + 1 : null;
  }
}

function matchClass(pattern: string, start: number, character: string): number | null {
  const negated = pattern[start] === "^";
  let p = negated ? start + 1 : start;
  let found = false;
  // As in Redis, a class that is never closed ends with the pattern.
  for (; p < pattern.length && pattern[p] !== "]"; p++) {
    if (pattern[p] === "\\" && p + 1 < pattern.length) found ||= pattern[++p] === character;
    else if (pattern[p + 1] === "-" && p + 2 < pattern.length) {
      const [low = "", high = ""] = [pattern[p] ?? "", pattern[p + 2] ?? ""].sort();
      found ||= character >= low && character <= high;
      p += 2;
    } else found ||= pattern[p] === character;
  }
  return found === negated ? null : Math.min(p + 1, pattern.length);
}
