import { expect, test } from "vitest";
import { uuidTime } from "../../lib/uuid.ts";

test("a UUID of version 7 says when it was made, and one of another version nothing", () => {
  // The examples of RFC 9562, appendix A.
  expect(uuidTime("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")).toBe(Date.parse("2022-02-22T19:22:22Z"));
  expect(uuidTime("919108f7-52d1-4320-9bac-f847db4148a8")).toBeNull();
});
