import { isWrite, type Draft } from "./draft.ts";
import { Raw } from "./json.ts";
import { violations } from "./judge.ts";
import type { Parameter } from "./openapi.ts";
import { liesAt, namedPaths } from "./oracles.ts";
import type { Answer, Sent } from "./send.ts";
import { NARROW_SCOPE } from "./world.ts";

const DEPTH_MAX = 32;
const SMALL_BODY_BYTES = 64 * 1024;
/** Refusals by what a schema can say; the documents must say it, too. */
const BY_SCHEMA = new Set(["invalid_type", "invalid_value", "too_big", "too_small", "unrecognized_keys"]);
/** Refusals of values that fit their schema, by the clock, by each other, or by a table's columns. */
const BEYOND_SCHEMA = new Set([
  "in_future",
  "before_from",
  "unknown_column",
  "out_of_order",
  "reason_missing",
  "names_nothing",
  "type_missing",
  "workspace_missing",
  "mismatch",
]);
const UNAUTHENTICATED_KEYS = new Set(["revoked", "expired"]);

/** What is wrong with how an answer took what was done to the request; empty when it was as the documents say. */
export function judgeRefusal(draft: Draft, sent: Sent, answer: Answer): string[] {
  const { status } = answer;
  const { kind, places } = draft.twist;
  const stranger = expectedOfStranger(draft);
  if (stranger !== null)
    return status === stranger ? [] : [`answered ${status}, not ${stranger}, to this sender`];
  if (draft.bendPath !== null || draft.method !== draft.operation.method) return [];
  const faults = faultsOf(draft, sent);
  if (kind === "none" && faults.length > 0) throw new Error(`a valid request is not: ${faults.join("; ")}`);
  if (faults.length > 0 && status < 400) return [`accepted what is not valid: ${faults[0]}`];
  if (faults.length > 0 && !refusalsOf(faults[0] ?? "", sent).includes(status)) {
    return [`answered ${status} to what is not valid: ${faults[0]}`];
  }
  if (status !== 400 && status !== 415) return [];
  if (faults.length === 0) {
    const errors = (answer.json as { errors: { path: string; code: string }[] }).errors;
    const contradicted = errors.find((one) => BY_SCHEMA.has(one.code));
    if (contradicted) return [`refuses what its document allows: ${contradicted.path} ${contradicted.code}`];
    if (kind === "none" || errors.every((one) => BEYOND_SCHEMA.has(one.code))) return [];
  }
  if (places === null) return [];
  const allowed = faults.length > 0 ? placesOf(faults, places) : [...places, ...places.map(parentOf)];
  const named = namedPaths(answer);
  const isNamed = named.some((path) => allowed.some((place) => liesAt(path, place)));
  // A sum may be named along with what it is made of.
  const near = [...allowed, ...allowed.map(parentOf).filter((one) => one.includes("."))];
  const strange = named.find((path) => !near.some((place) => liesAt(path, place)));
  const wrong = strange ?? (isNamed ? undefined : named.join(", "));
  return wrong === undefined
    ? []
    : [`names ${wrong} where ${allowed.join(" or ").slice(0, 300)} was twisted`];
}

function expectedOfStranger({ sender, operation }: Draft): number | null {
  if (operation.scope === null) return null;
  if ("authorization" in sender) return sender.authorization === "bearer {own}" ? null : 401;
  if (UNAUTHENTICATED_KEYS.has(sender.key)) return 401;
  return sender.key === "narrow" && operation.scope !== NARROW_SCOPE ? 403 : null;
}

/** Each fault of a request as `part: why`, in the order in which a server would see them. */
function faultsOf(draft: Draft, sent: Sent): string[] {
  const { operation } = draft;
  if (operation.scope === null) return [];
  const write = isWrite(draft);
  return [
    ...parameterFaults(draft, "path", draft.params, sent.params),
    ...parameterFaults(draft, "query", draft.query, sent.query),
    ...(draft.querySuffix === "" ? [] : [`query: ${draft.querySuffix}`]),
    ...(write ? headerFaults(draft) : []),
    ...(write ? bodyFaults(draft, sent) : []),
  ];
}

function parameterFaults(
  draft: Draft,
  place: "path" | "query",
  drafted: Record<string, unknown>,
  values: Record<string, string>,
): string[] {
  return draft.operation.parameters
    .filter((one) => one.in === place)
    .flatMap((parameter) => {
      if (drafted[parameter.name] instanceof Raw) return [`${place}: bytes`];
      const value = values[parameter.name];
      return value === undefined ? [] : parameterFault(parameter, value, place);
    });
}

function parameterFault({ name, schema }: Parameter, text: string, place: string): string[] {
  if (text.includes("\0")) return [`${place}: NUL`];
  const isNumber = schema.type === "integer" || schema.type === "number";
  const value = isNumber ? (/^\d+$/.test(text) ? Number(text) : null) : text;
  return violations(schema, value, `${place}.${name}`).map((why) => `${place}: ${why}`);
}

function headerFaults({ headers, operation, body }: Draft): string[] {
  return headers.flatMap(([name, value]) => {
    if (name === "idempotency-key") {
      const parameter = operation.parameters.find((one) => one.name === "Idempotency-Key");
      const why = parameter ? violations(parameter.schema, value.trim(), name) : [];
      return why.map((one) => `header: ${one}`);
    }
    const type = value.split(";")[0]?.trim().toLowerCase();
    const isOther =
      name === "content-type" && operation.body && body !== undefined && type !== "application/json";
    return isOther ? ["type: another media type"] : [];
  });
}

function bodyFaults({ operation, encoding }: Draft, { text, body }: Sent): string[] {
  const empty = text === null || ["empty", "blank"].includes(encoding?.kind ?? "");
  if (!operation.body) return empty || text === "{}" ? [] : ["whole body: there is none"];
  if (encoding !== null && encoding.kind !== "bom") return [`whole body: ${encoding.kind}`];
  if (text === null || body === null) return ["whole body: missing"];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return ["whole body: no JSON"];
  }
  const unstorable = poisonOf(value);
  if (unstorable !== null) return [`body: ${unstorable}`];
  return violations(operation.body, value, "body").map((why) => `body: ${why}`);
}

function poisonOf(value: unknown, depth = 0): string | null {
  if (typeof value === "string") {
    return value.includes("\0") ? "NUL" : value.isWellFormed() ? null : "half a surrogate pair";
  }
  if (typeof value === "number") {
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
      ? null
      : "inexact number";
  }
  if (typeof value !== "object" || value === null) return null;
  if (depth === DEPTH_MAX) return "too deep";
  for (const [key, inner] of Object.entries(value)) {
    const found = poisonOf(key) ?? poisonOf(inner, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

function refusalsOf(fault: string, { body }: Sent): number[] {
  const isLarge = (body?.byteLength ?? 0) > SMALL_BODY_BYTES;
  if (fault.startsWith("path:")) return [400, 404];
  if (fault.startsWith("type:")) return [415];
  // A route that takes no body reads next to nothing of one.
  return isLarge || fault.includes("there is none") ? [400, 413] : [400];
}

function placesOf(faults: string[], places: string[]): string[] {
  const [first = ""] = faults;
  if (first.startsWith("whole body")) return ["body"];
  if (first === "path: bytes") return ["path"];
  if (first === "query: bytes") return ["query"];
  return places;
}

const parentOf = (place: string) => place.replace(/(\.[^.[]*|\[\d+\])$/, "");
