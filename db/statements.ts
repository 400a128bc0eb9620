interface Statement {
  text: string;
  /** Where it starts in its file, counted from 1. */
  line: number;
}

/** What may hold a semicolon that ends nothing: comments, quoted text and names, dollar-quoted bodies. */
const OPAQUE = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$[a-z_]*\$)[\s\S]*?\1|;/gi;

/** The statements of an SQL file, so that a failure can be told by its line. `begin atomic` bodies are not known. */
export function statements(sql: string): Statement[] {
  const found: Statement[] = [];
  let start = 0;
  const add = (end: number) => {
    const text = sql.slice(start, end);
    // A comment before a statement stays with it, but the line is the statement's own.
    const lead = /^(?:\s+|--[^\n]*(?:\n|$))*/.exec(text)?.[0].length ?? 0;
    if (lead < text.length) {
      found.push({ text: text.slice(lead), line: sql.slice(0, start + lead).split("\n").length });
    }
    start = end + 1;
  };
  for (const match of sql.matchAll(OPAQUE)) {
    if (match[0] === ";") add(match.index);
  }
  add(sql.length);
  return found;
}
