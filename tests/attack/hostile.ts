import { Raw } from "./json.ts";

/** Well-formed text that means something to SQL, JSON, shells, file systems, HTML, or a careless program. */
export const SPITEFUL_TEXTS = [
  "'; drop table audit.audit_events; --",
  "' or '1'='1",
  "$1",
  "$$; select pg_sleep(9) $$",
  '"audit"."api_keys"',
  "\\'; --",
  "\\u0000",
  "\\x00",
  "%",
  "_",
  "%%_",
  "a%_b*",
  "*",
  "**",
  "[a-z]*",
  "(?=a)+$",
  "{}",
  "{a,b}",
  '{"a":"b"}',
  "null",
  "undefined",
  "NaN",
  "-1",
  "1e9999",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "../../etc/passwd",
  "..\\..\\x",
  "%2e%2e%2f",
  "%00",
  "%s%n",
  "${7*7}{{7*7}}",
  "<script>alert(1)</script>",
  "=cmd|' /C calc'!A0",
  "a\r\nX-Injected: 1",
  "a\tb",
  "\u202Eabc",
  "\uFEFFbom",
  "\uFFFD",
  "\uFFFF",
  "e\u0301",
  "İıſK",
  "👩‍👩‍👧‍👦",
  "𝕏𠮷",
  " x ",
  "\u00A0x",
  "a\u2028b\u2029",
  "\u0001\u001f\u007f",
];

/** What finds too much where a pattern is made of it; the world holds what it would find. */
export const WILDCARDS = ["%", "_", "%*", "_*", "TEST_*", "a%_b*", "a%b", "TEST_EVEN_", "a.*b", "\\*"];

/** Characters of 1, 2, 3 and 4 bytes in UTF-8; the last has two UTF-16 units. */
export const UNITS = ["a", "é", "漢", "😀"];

/** Well-formed JSON text that must be refused wherever it stands. */
export const POISONOUS_TEXTS = [
  '"a\\u0000b"',
  '"\\u0000"',
  '"\\ud800"',
  '"x\\udfff"',
  '"\\udc00\\ud800"',
].map((text) => new Raw(text));

/** What is read as JSON, but which no column and no double holds as it was sent. */
export const POISONOUS_NUMBERS = ["1e400", "-1e400", "9007199254740993", "-9007199254740993", "1e22"]
  .concat(["12345678901234567890", "9".repeat(400)])
  .map((text) => new Raw(text));

/** What looks like a value and is no JSON. */
export const NO_JSON = ["NaN", "Infinity", "-Infinity", "undefined", "0x10", "01", "+1", "1.", ".5", "'a'"]
  .concat(["1_000", "1n", '"a', "{", "[1,]", "{,}", '{"a"}', "tru", "/**/1"])
  .map((text) => new Raw(text));

export const NUMBERS = ["-0", "0", "1", "-1", "0.1", "1.0", "1e0", "1.5", "1e-400", "-1e-7", "2147483647"]
  .concat(["2147483648", "-2147483649", "9007199254740991", "0.30000000000000004", "999999999999.99", "1e12"])
  .concat(["1000000000000.1", "1.7976931348623157e308", "5e-324"])
  .map((text) => new Raw(text));

export const TIMES = [
  "2016-12-31T23:59:60Z",
  "0000-01-01T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "+275760-09-13T00:00:00Z",
  "-000001-01-01T00:00:00Z",
  "2026-01-01T24:00:00Z",
  "2026-01-01T00:00:00+14:00",
  "2026-01-01T00:00:00-14:00",
  "2026-01-01T00:00:00+23:59",
  "2026-01-01T00:00:00-23:59",
  "2026-01-01T00:00:00+24:00",
  "1900-01-01T00:00:00+23:59",
  "2999-12-31T23:59:59.999-23:59",
  "2026-03-29T02:30:00+01:00",
  "2026-03-29T02:30:00",
  "2026-01-01T00:00:00z",
  "2026-01-01t00:00:00Z",
  "2026-01-01 00:00:00Z",
  "2026-01-01T00:00Z",
  "2026-01-01T00:00:00.123456Z",
  "2026-01-01T00:00:00.1234567890123Z",
  "2026-01-01T00:00:00,5Z",
  "2026-02-29T00:00:00Z",
  "2024-02-29T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-01-01T00:00:00+0100",
  "2026-W01-1T00:00:00Z",
  "20260101T000000Z",
  "1767225600",
  "now",
  "infinity",
  "2026-01-01T00:00:00Z; select 1",
];

/** Keys that reach into an object's prototype when a program merges carelessly. */
export const PROTOTYPE_MEMBERS = [
  '"__proto__":{"polluted":1}',
  '"constructor":{"prototype":{"polluted":1}}',
  '"prototype":{"polluted":1}',
  '"__proto__":null',
  '"toString":1',
  '"hasOwnProperty":null',
];

const nested = (open: string, close: string, levels: number) =>
  new Raw(`${open.repeat(levels)}1${close.repeat(levels)}`);

/** Deeper than 32 levels wherever they stand, from a little to a lot. */
export const DEEP = [
  nested("[", "]", 33),
  nested('{"a":', "}", 33),
  nested("[", "]", 2_000),
  nested('{"a":', "}", 5_000),
];
