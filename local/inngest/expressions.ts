/** What an expression may name: `event`, and for waits and cancellations `async`, the arriving event. */
type Scope = Record<string, unknown>;

type Node = (scope: Scope) => unknown;
type Tokens = { peek(): string | undefined; take(): string };

const EXPRESSION_LENGTH_MAX = 4_096;
const TOKEN =
  /\s*(==|!=|&&|\|\||[()[\].+]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\d+(?:\.\d+)?|[A-Za-z_]\w*)/y;

/**
 * Evaluates the part of the Common Expression Language that workflows use: paths (`async.data.id`,
 * `event.data["a-b"]`), literals, `==`, `!=`, `&&`, `||`, `+` and parentheses. A missing field is null.
 * Throws a SyntaxError for anything else.
 */
export function evaluate(expression: string, scope: Scope): unknown {
  const tokens = tokenize(expression);
  const node = parseOr(tokens);
  if (tokens.peek() !== undefined) throw unexpected(tokens.peek());
  return node(scope);
}

/** Whether an expression holds; none at all holds. Throws a SyntaxError like `evaluate`. */
export function holds(expression: string | null | undefined, scope: Scope): boolean {
  return !expression || evaluate(expression, scope) === true;
}

function tokenize(expression: string): Tokens {
  if (expression.length > EXPRESSION_LENGTH_MAX) throw new SyntaxError("Expression is too long");
  const list: string[] = [];
  let position = 0;
  for (const match of expression.matchAll(new RegExp(TOKEN, "gy"))) {
    list.push(match[1] ?? "");
    position = match.index + match[0].length;
  }
  if (expression.slice(position).trim() !== "") throw unexpected(expression.slice(position).trim());
  let next = 0;
  return {
    peek: () => list[next],
    take: () => {
      const token = list[next++];
      if (token === undefined) throw unexpected(undefined);
      return token;
    },
  };
}

function parseOr(tokens: Tokens): Node {
  let left = parseAnd(tokens);
  while (tokens.peek() === "||") {
    tokens.take();
    const [a, b] = [left, parseAnd(tokens)];
    left = (scope) => a(scope) === true || b(scope) === true;
  }
  return left;
}

function parseAnd(tokens: Tokens): Node {
  let left = parseComparison(tokens);
  while (tokens.peek() === "&&") {
    tokens.take();
    const [a, b] = [left, parseComparison(tokens)];
    left = (scope) => a(scope) === true && b(scope) === true;
  }
  return left;
}

function parseComparison(tokens: Tokens): Node {
  const left = parseSum(tokens);
  const operator = tokens.peek();
  if (operator !== "==" && operator !== "!=") return left;
  tokens.take();
  const right = parseSum(tokens);
  const wanted = operator === "==";
  return (scope) => same(left(scope), right(scope)) === wanted;
}

function parseSum(tokens: Tokens): Node {
  let left = parseOperand(tokens);
  while (tokens.peek() === "+") {
    tokens.take();
    const [a, b] = [left, parseOperand(tokens)];
    left = (scope) => add(a(scope), b(scope));
  }
  return left;
}

function parseOperand(tokens: Tokens): Node {
  const token = tokens.take();
  if (token === "(") {
    const inner = parseOr(tokens);
    if (tokens.take() !== ")") throw new SyntaxError("Expected )");
    return inner;
  }
  if (/^["']/.test(token)) {
    const text = unquote(token);
    return () => text;
  }
  if (/^-?\d/.test(token)) return () => Number(token);
  if (token === "true" || token === "false") return () => token === "true";
  if (token === "null") return () => null;
  if (/^[A-Za-z_]/.test(token)) return parsePath(token, tokens);
  throw unexpected(token);
}

function parsePath(root: string, tokens: Tokens): Node {
  const keys: string[] = [root];
  for (;;) {
    if (tokens.peek() === ".") {
      tokens.take();
      const key = tokens.take();
      if (!/^[A-Za-z_]/.test(key)) throw unexpected(key);
      keys.push(key);
    } else if (tokens.peek() === "[") {
      tokens.take();
      const key = tokens.take();
      keys.push(/^["']/.test(key) ? unquote(key) : key);
      if (tokens.take() !== "]") throw new SyntaxError("Expected ]");
    } else {
      return (scope) => keys.reduce<unknown>(property, scope);
    }
  }
}

function property(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
  return (value as Record<string, unknown>)[key];
}

function same(left: unknown, right: unknown): boolean {
  if (typeof left === "object" && left !== null) return JSON.stringify(left) === JSON.stringify(right);
  return left === right;
}

function add(left: unknown, right: unknown): unknown {
  if (typeof left === "number" && typeof right === "number") return left + right;
  return `${String(left)}${String(right)}`;
}

function unquote(token: string): string {
  return token.slice(1, -1).replaceAll(/\\(.)/g, "$1");
}

function unexpected(token: string | undefined): SyntaxError {
  return new SyntaxError(token === undefined ? "Expression ends too early" : `Unexpected "${token}"`);
}
