/** What a template is made of: text as it stands, a column's value, or `*`, which stands for anything. */
export type TemplatePart = { text: string } | { column: string } | { any: true };

const TEMPLATE_LENGTH_MAX = 1_000;

const PART = /\{\{|\}\}|\{([^{}]*)\}|[{}]|\*+|[^{}*]+/g;

/**
 * Reads a template: `{column}` is a column's value, `{{` and `}}` are braces. With `wildcards`, `*` stands for anything
 * and `{*}` is a star; without, a star is a star. Throws an Error whose message can follow the template's name.
 */
export function parseTemplate(source: string, { wildcards = false } = {}): TemplatePart[] {
  if (source === "" || source.length > TEMPLATE_LENGTH_MAX)
    throw new Error(`is 1 to ${TEMPLATE_LENGTH_MAX} characters`);
  if (source.includes("\0") || !source.isWellFormed()) throw new Error("is well-formed text without NUL");
  return [...source.matchAll(PART)].map(([token, column]) => {
    if (token === "{{" || token === "}}") return { text: token.charAt(0) };
    if (token === "{" || token === "}")
      throw new Error(`has a ${token} without its counterpart; write ${token}${token} for a brace`);
    if (column === "") throw new Error("has {} without a column's name");
    if (column === "*" && wildcards) return { text: "*" };
    if (column !== undefined) return { column };
    return token.startsWith("*") && wildcards ? { any: true } : { text: token };
  });
}

/** The columns that a template is filled from, each once. */
export const columnsOf = (parts: readonly TemplatePart[]): string[] => [
  ...new Set(parts.flatMap((part) => ("column" in part ? [part.column] : []))),
];

export const hasWildcard = (parts: readonly TemplatePart[]): boolean => parts.some((part) => "any" in part);
