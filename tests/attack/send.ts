import { gzipSync } from "node:zlib";
import type { App } from "../../api/_http/app.ts";
import { isWrite, type Draft } from "./draft.ts";
import { Raw, resolveLearned, toJson } from "./json.ts";
import type { Pools } from "./learned.ts";
import { PATH_BENDS } from "./twists.ts";

const ANSWER_TIMEOUT_MS = 20_000;

/** A request as it is sent. */
export interface Sent {
  method: string;
  /** Path and query. */
  target: string;
  headers: [name: string, value: string][];
  /** Null: none. */
  body: Uint8Array<ArrayBuffer> | null;
  /** The body before it became bytes. */
  text: string | null;
  /** As they stood before they were encoded; what stands there in the raw is left out. */
  params: Record<string, string>;
  query: Record<string, string>;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** Undefined unless the answer is JSON. */
  json: unknown;
}

const encode = (value: unknown) =>
  value instanceof Raw ? value.text : encodeURIComponent(String(value).toWellFormed());

const texts = (values: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => !(value instanceof Raw))
      .map(([name, value]) => [name, String(value)]),
  );

/** Fills in what was learned, and writes a draft down as a request. */
export function write(draft: Draft, pools: Pools, secrets: Record<string, string>): Sent {
  const fill = <T>(value: T) => resolveLearned(value, pools.look) as T;
  const [params, query, body] = [fill(draft.params), fill(draft.query), fill(draft.body)];
  let path = draft.operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(params[name]));
  if (draft.bendPath !== null) {
    const [kind = "", at] = draft.bendPath.split(":");
    path = PATH_BENDS[kind]?.(path, Number(at)) ?? path;
  }
  const pairs = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${encode(value)}`);
  const search = [...pairs, draft.querySuffix].filter(Boolean).join("&");
  const takesBody = isWrite(draft) && draft.method !== "get";
  const text = body === undefined || !takesBody ? null : toJson(body);
  const hasType = draft.headers.some(([name]) => name === "content-type");
  const authorization = authorizationOf(draft, secrets);
  return {
    method: draft.method,
    target: search === "" ? path : `${path}?${search}`,
    headers: [
      ...(authorization === null ? [] : [["authorization", authorization] as [string, string]]),
      ...(text === null || hasType ? [] : [["content-type", "application/json"] as [string, string]]),
      ...draft.headers,
    ],
    body: text === null ? null : bytesOf(text, draft.encoding),
    text,
    params: texts(params),
    query: texts(query),
  };
}

function authorizationOf({ sender }: Draft, secrets: Record<string, string>): string | null {
  if ("key" in sender) return `Bearer ${secrets[sender.key]}`;
  return sender.authorization?.replaceAll(/\{(\w+)\}/g, (_, name: string) => secrets[name] ?? "") ?? null;
}

function bytesOf(text: string, encoding: Draft["encoding"]): Uint8Array<ArrayBuffer> {
  const utf8 = (value: string) => new Uint8Array(Buffer.from(value));
  if (encoding === null) return utf8(text);
  const at = Math.max(1, Math.floor(text.length * encoding.at));
  const split = (...middle: number[]) =>
    new Uint8Array([...utf8(text.slice(0, at)), ...middle, ...utf8(text.slice(at))]);
  switch (encoding.kind) {
    case "bom":
      return new Uint8Array([0xef, 0xbb, 0xbf, ...utf8(text)]);
    case "utf-16le":
      return new Uint8Array(Buffer.from(text, "utf16le"));
    case "utf-16be":
      return new Uint8Array(Buffer.from(`\uFEFF${text}`, "utf16le").swap16());
    case "cut":
      return utf8(text.slice(0, Math.min(at, text.length - 1)));
    case "trailing":
      return utf8(`${text} x`);
    case "twice":
      return utf8(text + text);
    case "empty":
      return new Uint8Array();
    case "blank":
      return utf8(" \n\t ");
    case "bad byte":
      return split(0xff);
    case "overlong":
      return split(0xc0, 0xaf);
    case "gzip":
      return new Uint8Array(gzipSync(text));
    case "latin-1":
      return split(0xe9);
    default:
      return utf8(text + " ".repeat(5 * 1024 * 1024));
  }
}

/** Sends a request to the app in this process, and reads its answer to the end. */
export async function send(app: App, sent: Sent): Promise<Answer> {
  const request = new Request(`http://localhost${sent.target}`, {
    method: sent.method,
    headers: sent.headers,
    ...(sent.body === null ? {} : { body: sent.body }),
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_TIMEOUT_MS} ms`)), ANSWER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([late, answerOf(app, request)]);
  } finally {
    clearTimeout(timer);
  }
}

async function answerOf(app: App, request: Request): Promise<Answer> {
  const response = await app.request(request);
  const { status, headers } = response;
  const text = await response.text();
  const isJson = /[/+]json\b/.test(headers.get("content-type") ?? "");
  return { status, headers, text, json: isJson && text ? JSON.parse(text) : undefined };
}

/** The request for a shell. */
export function asCurl({ method, target, headers, body }: Sent, origin = "http://localhost:3000"): string {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = [`curl -i --path-as-is -X ${quote(method)} ${quote(origin + target)}`];
  for (const [name, value] of headers) {
    const shown = name === "authorization" ? value.replace(/afi_[\w-]{43}/g, "$KEY") : value;
    lines.push(
      name === "authorization"
        ? `-H "${name}: ${shown.replaceAll('"', '\\"')}"`
        : `-H ${quote(`${name}: ${shown}`)}`,
    );
  }
  if (body === null) return lines.join(" \\\n  ");
  const text = Buffer.from(body).toString("utf8");
  const isPlain = Buffer.from(text).equals(Buffer.from(body)) && !JSON.stringify(text).includes("\\u00");
  if (isPlain && text.length < 8_000) return [...lines, `--data-binary ${quote(text)}`].join(" \\\n  ");
  return `base64 -d <<< ${quote(Buffer.from(body.slice(0, 20_000)).toString("base64"))} | ${[...lines, "--data-binary @-"].join(" \\\n  ")}`;
}
