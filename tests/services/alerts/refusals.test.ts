import { describe, expect, test } from "vitest";
import {
  BURST_REFUSALS,
  clientAddress,
  createRefusalCounter,
  WINDOW_S,
  type Burst,
  type Refusal,
} from "../../../services/alerts/refusals.ts";

/** A counter whose clock stands still until it is moved. */
function useCounter() {
  let ms = 1_000_000;
  const count = createRefusalCounter(() => ms);
  const refuse = (times: number, refusal: Partial<Refusal> = {}): Burst[] =>
    Array.from({ length: times }, () =>
      count({ status: 401, keyId: undefined, address: undefined, ...refusal }),
    ).filter((burst) => burst !== null);
  return { refuse, pass: (seconds: number) => void (ms += seconds * 1_000) };
}

describe("refusals within a minute", () => {
  test("are a burst from the thirtieth on, reported once", () => {
    const { refuse } = useCounter();
    expect(refuse(BURST_REFUSALS - 1)).toEqual([]);
    expect(refuse(1)).toMatchObject([{ subject: "unauthenticated", status: 401, count: BURST_REFUSALS }]);
    expect(refuse(10_000)).toEqual([]);
  });

  test("that go on are reported once a minute, with how many there were since", () => {
    const { refuse, pass } = useCounter();
    refuse(BURST_REFUSALS);
    for (let second = 1; second < WINDOW_S; second++) {
      pass(1);
      expect(refuse(10)).toEqual([]);
    }
    pass(1);
    expect(refuse(10)).toMatchObject([{ count: (WINDOW_S - 1) * 10 + 1 }]);
  });

  test("are counted over any minute, not the clock's", () => {
    const { refuse, pass } = useCounter();
    refuse(BURST_REFUSALS / 2);
    pass(WINDOW_S - 1);
    expect(refuse(BURST_REFUSALS / 2)).toHaveLength(1);
  });

  test("are no burst when they come slowly", () => {
    const { refuse, pass } = useCounter();
    for (let i = 0; i < 1_000; i++) {
      expect(refuse(1)).toEqual([]);
      pass((WINDOW_S + 1) / (BURST_REFUSALS - 1));
    }
  });

  test("are counted for each key by itself, and for all strangers together", () => {
    const { refuse } = useCounter();
    const half = BURST_REFUSALS / 2;
    expect(refuse(half, { status: 403, keyId: "a" })).toEqual([]);
    expect(refuse(half, { status: 403, keyId: "b" })).toEqual([]);
    expect(refuse(half)).toEqual([]);
    expect(refuse(half, { status: 403, keyId: "a" })).toMatchObject([{ subject: "key:a", keyId: "a" }]);
  });

  test("of more keys than are kept forget the one that was refused longest ago", () => {
    const { refuse } = useCounter();
    refuse(BURST_REFUSALS - 1, { status: 403, keyId: "early" });
    refuse(BURST_REFUSALS - 1, { status: 403, keyId: "kept" });
    for (let i = 0; i < 999; i++) refuse(1, { status: 403, keyId: `other-${i}` });
    expect(refuse(1, { status: 403, keyId: "kept" })).toHaveLength(1);
    expect(refuse(1, { status: 403, keyId: "early" })).toEqual([]);
  });

  test("name the addresses they came from, ten at most", () => {
    const { refuse } = useCounter();
    for (let i = 1; i < BURST_REFUSALS; i++) refuse(1, { address: `192.0.2.${i % 25}` });
    const [burst] = refuse(1);
    expect(new Set(burst?.addresses).size).toBe(10);
  });
});

describe("a client's address", () => {
  const of = (headers: Record<string, string>) => clientAddress(new Headers(headers));

  test.each([
    [{ "x-real-ip": "192.0.2.1" }, "192.0.2.1"],
    [{ "x-forwarded-for": "2001:db8::1, 10.0.0.1" }, "2001:db8::1"],
    [{ "x-real-ip": "192.0.2.1", "x-forwarded-for": "192.0.2.2" }, "192.0.2.1"],
  ])("of %j is %s", (headers, address) => {
    expect(of(headers)).toBe(address);
  });

  test.each(["", "localhost", "192.0.2.1:80", "1.2.3.4; drop", "fe80::1%CANARY", "999.1.1.1", "<script>"])(
    "is none where the header says %j",
    (text) => {
      expect(of({ "x-real-ip": text })).toBeUndefined();
      expect(of({ "x-forwarded-for": text })).toBeUndefined();
    },
  );
});
