import fc from "fast-check";
import { bodyTwist, manyTwists } from "./body-twists.ts";
import { isWrite, plain, unlinked, type Draft, type Sender } from "./draft.ts";
import { TIMES, UNITS } from "./hostile.ts";
import { Learned, Raw } from "./json.ts";
import type { Operation, Parameter } from "./openapi.ts";
import { anyText, spiteful } from "./values.ts";

const NOTHING_LEARNED = "none";

/** One attack on one of the operations. */
export function attacks(operations: Operation[]): fc.Arbitrary<Draft> {
  // Most of what can go wrong is in bodies, and next to nothing where nobody is asked who they are.
  const weightOf = ({ body, scope }: Operation) => (body ? 5 : scope === null ? 1 : 2);
  const chosen = operations.map((one) => ({ weight: weightOf(one), arbitrary: fc.constant(one) }));
  return fc.oneof(...chosen).chain((operation) => {
    const { body, parameters } = operation;
    const inPath = parameters.filter((one) => one.in === "path");
    const inQuery = parameters.filter((one) => one.in === "query");
    const weighted: [number, fc.Arbitrary<Draft>][] = [
      [6, plain(operation)],
      ...(body ? [[10, bodyTwist(operation, body)] as [number, fc.Arbitrary<Draft>]] : []),
      ...(body ? [[2, manyTwists(operation, body)] as [number, fc.Arbitrary<Draft>]] : []),
      ...inPath.map((one): [number, fc.Arbitrary<Draft>] => [3, parameterTwist(operation, one)]),
      ...inQuery.map((one): [number, fc.Arbitrary<Draft>] => [1, parameterTwist(operation, one)]),
      [2, queryTwist(operation)],
      [2, pathTwist(operation)],
      [3, encodingTwist(operation)],
      [3, headerTwist(operation)],
      [2, senderTwist(operation)],
      [1, methodTwist(operation)],
      ...(inQuery.some((one) => one.name === "cursor")
        ? [[4, cursorTwist(operation)] as [number, fc.Arbitrary<Draft>]]
        : []),
    ];
    return fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })));
  });
}

const NO_UTF8 = ["%ff", "%c0%af", "%e0%80%af", "%ed%a0%80", "a%c3", "%zz", "%"];

/** One path or query parameter; a Raw one stands in the URL as it is. */
function parameterTwist(operation: Operation, { name, in: place, schema }: Parameter): fc.Arbitrary<Draft> {
  const { maxLength = 2_000 } = schema;
  const long = fc
    .tuple(fc.constantFrom(...UNITS), fc.constantFrom(0, 1, -1))
    .map(([unit, more]) => unit.repeat(maxLength + more));
  const numbers = ["0", "-1", "1.5", "1e2", "0x10", "", " 1", "NaN", "99999999999999999999", "1001", "٣"];
  const value = fc.oneof(
    spiteful,
    anyText(maxLength),
    long,
    fc.constantFrom(...NO_UTF8, "%00", "a%00b").map((text) => new Raw(text)),
    ...(schema.format === "date-time" ? [fc.constantFrom(...TIMES)] : []),
    ...(place === "query" ? [fc.constantFrom(...numbers)] : []),
  );
  const part = place === "path" ? "params" : "query";
  return fc.tuple(plain(operation), value).map(([draft, twisted]) => ({
    ...unlinked(draft, name),
    [part]: { ...draft[part], [name]: twisted },
    twist: { kind: `${place} parameter`, places: [`${place}.${name}`] },
  }));
}

function queryTwist(operation: Operation): fc.Arbitrary<Draft> {
  const unknown = [
    "surprise",
    "__proto__",
    "constructor",
    "prototype",
    "limit[]",
    "a.b",
    "'; --",
    "%F0%9F%98%80",
  ];
  return fc.tuple(plain(operation), fc.constantFrom(...unknown), fc.nat()).map(([draft, name, nth]) => {
    const given = Object.keys(draft.query);
    const twice = given[nth % Math.max(given.length, 1)];
    if (twice !== undefined && nth % 2 === 0) {
      return {
        ...draft,
        querySuffix: `${twice}=x`,
        twist: { kind: "repeated parameter", places: [`query.${twice}`] },
      };
    }
    const places = [`query.${decodeURIComponent(name)}`];
    return { ...draft, querySuffix: `${name}=1`, twist: { kind: "unknown parameter", places } };
  });
}

/** What `bendPath` stands for; `at` says which slash of the path. */
export const PATH_BENDS: Record<string, (path: string, at: number) => string> = {
  "trailing slash": (path) => `${path}/`,
  "double slash": (path, at) => spliceSlash(path, at, "//"),
  dots: (path, at) => spliceSlash(path, at, "/%2e%2e/"),
  "encoded slash": (path, at) => spliceSlash(path, at, "%2F"),
  "twice encoded": (path) => path.replaceAll("%", "%25"),
  "overlong slash": (path, at) => spliceSlash(path, at, "%c0%af"),
  nul: (path) => `${path}%00`,
  "upper case": (path) => path.toUpperCase(),
  "encoded letters": (path) => path.replace("api", "%61pi"),
  backslash: (path, at) => spliceSlash(path, at, "\\"),
  semicolon: (path) => `${path};a=1`,
  "no UTF-8": (path) => `${path}%ff`,
};

function spliceSlash(path: string, at: number, text: string): string {
  const parts = path.split("/");
  const i = 2 + (at % Math.max(parts.length - 2, 1));
  return `${parts.slice(0, i).join("/")}${text}${parts.slice(i).join("/")}`;
}

function pathTwist(operation: Operation): fc.Arbitrary<Draft> {
  const kinds = Object.keys(PATH_BENDS);
  return fc
    .tuple(plain(operation), fc.constantFrom(...kinds), fc.nat({ max: 9 }))
    .map(([draft, kind, at]) => ({
      ...draft,
      bendPath: `${kind}:${at}`,
      twist: { kind: `path: ${kind}`, places: null },
    }));
}

const ENCODINGS = [
  "bom",
  "utf-16le",
  "utf-16be",
  "cut",
  "trailing",
  "twice",
  "empty",
  "blank",
  "bad byte",
].concat(["overlong", "gzip", "latin-1", "big"]);

function encodingTwist(operation: Operation): fc.Arbitrary<Draft> {
  const at = fc.double({ min: 0.1, max: 0.95, noNaN: true });
  return fc.tuple(plain(operation), fc.constantFrom(...ENCODINGS), at).map(([draft, kind, at]) => ({
    ...draft,
    ...(isWrite(draft) ? { encoding: { kind, at }, body: draft.body ?? { x: 1 } } : {}),
    twist: { kind: `body bytes: ${kind}`, places: ["body"] },
  }));
}

const HEADERS: [name: string, value: string][] = [
  ...[
    "",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/json5",
    "application/x-www-form-urlencoded",
  ]
    .concat(["application/json; charset=utf-16", "application/json, text/plain", "APPLICATION/JSON", "json"])
    .map((value): [string, string] => ["content-type", value]),
  ...[
    "",
    "k".repeat(200),
    "k".repeat(201),
    "k".repeat(10_240),
    "é",
    "a b",
    "a, b",
    "'; --",
    "\t",
    "%00",
    "__proto__",
  ].map((value): [string, string] => ["idempotency-key", value]),
  ...["gzip", "br", "deflate, gzip", "identity"].map((value): [string, string] => [
    "content-encoding",
    value,
  ]),
  ["x-request-id", "'; select 1"],
  ["x-http-method-override", "DELETE"],
  ["x-forwarded-host", "evil.example"],
  ["x-original-url", "/api/keys"],
  ["accept", "text/html"],
  ["range", "bytes=0-1"],
  ["if-none-match", "*"],
  ["cookie", `session=${"x".repeat(4_000)}`],
  ["origin", "https://evil.example"],
];

function headerTwist(operation: Operation): fc.Arbitrary<Draft> {
  return fc.tuple(plain(operation), fc.constantFrom(...HEADERS)).map(([draft, header]) => {
    const place = { "content-type": "Content-Type", "idempotency-key": "Idempotency-Key" }[header[0]];
    return {
      ...draft,
      headers: [header],
      twist: { kind: `header ${header[0]}`, places: place ? [`header.${place}`] : ["body"] },
    };
  });
}

/** `{own}` stands for the secret of the key of that name. */
const SENDERS: Sender[] = [
  ...[
    null,
    "",
    "Bearer",
    "Bearer ",
    "bearer {own}",
    "Basic {own}",
    "{own}",
    "Bearer {own} x",
    "Bearer {own},Bearer {own}",
  ]
    .concat([
      "Bearer {own}\t{all}",
      'Bearer "{own}"',
      "Bearer {own}%00",
      "Bearer afi_'or'1'='1",
      "Bearer {own}é",
    ])
    .concat([
      `Bearer afi_${"A".repeat(43)}`,
      `Bearer ${"A".repeat(10_000)}`,
      "Bearer {revoked}",
      "Bearer {expired}",
    ])
    .map((authorization) => ({ authorization })),
  { key: "foreign" },
  { key: "narrow" },
  { key: "revoked" },
  { key: "expired" },
];

function senderTwist(operation: Operation): fc.Arbitrary<Draft> {
  return fc.tuple(plain(operation), fc.constantFrom(...SENDERS)).map(([draft, sender]) => ({
    ...draft,
    sender,
    twist: { kind: "sender", places: null },
  }));
}

function methodTwist(operation: Operation): fc.Arbitrary<Draft> {
  const methods = [
    "BREW",
    "get",
    "PROPFIND",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "X".repeat(100),
  ];
  return fc.tuple(plain(operation), fc.constantFrom(...methods)).map(([draft, method]) => ({
    ...draft,
    method,
    twist: { kind: "method", places: null },
  }));
}

function cursorTwist(operation: Operation): fc.Arbitrary<Draft> {
  const forge = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");
  const forged = [
    ["", "x", "bnVsbA", "W10", "e30", "%%%", "A".repeat(1_001), "A".repeat(20_000)],
    [
      forge("x"),
      forge("x", "2026-01-01 00:00:00+00", "0"),
      forge(["x"]),
      forge({ length: 3 }),
      forge("x", 1, null),
    ],
    [forge("x".repeat(16), "infinity", "01890000-0000-7000-8000-000000000000"), forge("'; --", "'", "\0")],
  ].flat();
  return fc
    .tuple(plain(operation), fc.oneof(fc.constantFrom(...forged), fc.nat()))
    .map(([draft, cursor]) => ({
      ...draft,
      query: {
        ...draft.query,
        cursor: typeof cursor === "string" ? cursor : new Learned("cursor", cursor, NOTHING_LEARNED),
      },
      twist: { kind: "cursor", places: ["query.cursor"] },
    }));
}
