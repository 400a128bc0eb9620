import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isPublicAddress } from "../../lib/public-address.ts";

describe("a public address", () => {
  test.each([
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::",
    "2606:4700::1111",
    "2003::",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
  ])("is %s", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each([
    "",
    "localhost",
    "127.1",
    "8.8.8.8 ",
    "2606:4700::1111%eth0",
    "[::1]",
    "::8.8.8.8",
    "64:ff9b::a00:1",
    "::ffff:c0a8:1",
    "1fff:ffff::",
    "4000::",
    "2001:1ff:ffff::",
    "2002:808:808::",
  ])("is not %j", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test("inside IPv6 is what it is by itself", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const isPublic = isPublicAddress(address);
        expect(isPublicAddress(`::ffff:${address}`)).toBe(isPublic);
        expect(isPublicAddress(`64:ff9b::${address}`)).toBe(isPublic);
        expect(isPublicAddress(`::${address}`)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  test("in IPv6 lies in 2000::/3, or carries an IPv4 address", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = Number.parseInt(address.split(":")[0] || "0", 16);
        const isGlobal = first >= 0x2000 && first <= 0x3fff;
        fc.pre(!/\./.test(address) && first !== 0 && first !== 0x64);
        if (!isGlobal) expect(isPublicAddress(address)).toBe(false);
        else if (first > 0x2002 && first < 0x3fff) expect(isPublicAddress(address)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});
