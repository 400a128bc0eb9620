import { describe, expect, test } from "vitest";
import { storeByHalves } from "../../services/store-by-halves.ts";

const BUSY = [
  ["a lock that was not free", "55P03"],
  ["a deadlock", "40P01"],
  ["a statement that took too long", "57014"],
] as const;

/** Fails as often as it is told, then stores. */
const failing = (code: string, times: number) => {
  const calls: number[][] = [];
  const store = async (items: readonly number[]) => {
    calls.push([...items]);
    if (calls.length <= times)
      throw new Error("wrapped", { cause: Object.assign(new Error(code), { code }) });
    return items.map(() => "stored" as const);
  };
  return { calls, store };
};

describe.each(BUSY)("%s", (_, code) => {
  test("is met by storing the same again, and keeps nothing from being stored", async () => {
    const { calls, store } = failing(code, 2);
    expect(await storeByHalves([1, 2], store, () => null)).toEqual(["stored", "stored"]);
    expect(calls).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });

  test("is thrown the third time", async () => {
    const { calls, store } = failing(code, 3);
    await expect(storeByHalves([1, 2], store, () => null)).rejects.toThrow("wrapped");
    expect(calls).toHaveLength(3);
  });
});

test("what does not pass is not tried again", async () => {
  const { calls, store } = failing("53300", 1);
  await expect(storeByHalves([1, 2], store, () => null)).rejects.toThrow("wrapped");
  expect(calls).toHaveLength(1);
});
