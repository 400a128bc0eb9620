import { violations } from "./judge.ts";
import type { Operation, Schema } from "./openapi.ts";
import type { Answer, Sent } from "./send.ts";

const PROBLEM_MEMBERS = ["type", "title", "status", "detail", "code", "requestId", "errors"];
/** Words of a database, a driver or a stack that no caller should read. */
const INNER_WORDS =
  /Failed query|drizzle|node_modules|\n\s+at |\.[cm]?[jt]s:\d+|\baudit\.\w+_\w+|syntax error|violates|duplicate key|relation "|invalid input syntax|ECONN|SELECT .* FROM|select .* from "/;

interface Problem {
  status: number;
  detail: string;
  code: string;
  requestId: string;
  errors: { path: string; code: string; message: string }[];
}

/** What is wrong with an answer whatever was asked. */
export function judgeAnswer(operation: Operation | null, sent: Sent, answer: Answer): string[] {
  const { status, headers } = answer;
  const requestId = headers.get("x-request-id") ?? "";
  const wrong: string[] = [];
  if (status >= 500) wrong.push(`answered ${status}`);
  if (!/^[0-9a-f-]{36}$/.test(requestId)) wrong.push("has no X-Request-Id");
  // Dots may lead out of the service, where nothing is.
  const isOurs = new URL(sent.target, "http://localhost").pathname.startsWith("/api/");
  if (isOurs && headers.get("x-content-type-options") !== "nosniff")
    wrong.push("has no X-Content-Type-Options");
  if (headers.has("x-injected")) wrong.push("has a header that the caller wrote");
  if (status >= 400) wrong.push(...judgeProblem(sent, answer));
  else if (operation) wrong.push(...judgeDocumented(operation, answer));
  return wrong;
}

function judgeProblem(sent: Sent, { status, headers, json, text }: Answer): string[] {
  if (headers.get("content-type") !== "application/problem+json") {
    return sent.method === "HEAD" ? [] : [`is a ${status} and no problem document`];
  }
  if (text === "" && sent.method === "HEAD") return [];
  const problem = json as Problem;
  const members = Object.keys(problem ?? {});
  if (PROBLEM_MEMBERS.some((one) => !members.includes(one))) return [`lacks members: ${members.join(", ")}`];
  const wrong: string[] = [];
  if (problem.status !== status) wrong.push(`says ${problem.status} in a ${status}`);
  if (problem.requestId !== headers.get("x-request-id")) wrong.push("names another request");
  if (!/\S/.test(problem.detail)) wrong.push("says nothing in its detail");
  if ([400, 413, 415, 422].includes(status) && problem.errors.length === 0)
    wrong.push(`is a ${status} that names no field`);
  const said = problem.errors.map((one) => one.message).join("\n");
  const inner =
    INNER_WORDS.exec(said) ?? (problem.errors.length === 0 ? INNER_WORDS.exec(problem.detail) : null);
  if (inner) wrong.push(`holds inner words: ${inner[0].slice(0, 80)}`);
  return wrong;
}

function judgeDocumented(operation: Operation, { status, headers, json, text }: Answer): string[] {
  const documented = operation.responses[status] ?? operation.responses[`${String(status)[0]}XX`];
  if (!documented) return [`answered ${status}, which is not documented`];
  if (Object.keys(documented).length === 0) return [];
  const type = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  const schema = documented[type] as Schema | undefined;
  if (!schema) return [`answered ${type}, which is not documented`];
  const found = violations(schema, json === undefined ? text : json);
  return found.slice(0, 3).map((one) => `does not fit its documented schema: ${one}`);
}

/** The fields that a refusal names. */
export const namedPaths = (answer: Answer): string[] =>
  ((answer.json as Problem | undefined)?.errors ?? []).map((one) => one.path);

/** Whether a named path is a place, lies below it, or was cut short on the way there. */
export function liesAt(path: string, place: string): boolean {
  if (path === place || path.startsWith(`${place}.`) || path.startsWith(`${place}[`)) return true;
  return path.endsWith("…") && place.startsWith(path.slice(0, -1));
}
