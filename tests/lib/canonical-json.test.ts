import { expect, test } from "vitest";
import { canonicalJson, jsonDigest } from "../../lib/canonical-json.ts";

// The examples of RFC 8785, sections 3.2.2 to 3.2.4.
test("values are written as RFC 8785 writes them", () => {
  const text = String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`;
  expect(canonicalJson(JSON.parse(text))).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
});

test("members stand in the order of their UTF-16 code units, at every depth", () => {
  const text = String.raw`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":[{"b":1,"a":2}],"__proto__":7}`;
  expect(Object.keys(JSON.parse(canonicalJson(JSON.parse(text))))).toHaveLength(8);
  const order = [...canonicalJson(JSON.parse(text)).matchAll(/:(\d|\[)/g)].map(([, value]) => value).join("");
  expect(order).toBe("2476[21153");
});

test("a digest is the SHA-256 of that, in UTF-8", () => {
  expect(jsonDigest({ b: "ü", a: 1 })).toBe(jsonDigest({ a: 1, b: "ü" }));
  // printf '{}' | sha256sum
  expect(jsonDigest({})).toBe("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
});
