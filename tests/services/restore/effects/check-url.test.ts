import { beforeEach, expect, test, vi } from "vitest";
import { checkUrls } from "../../../../services/restore/effects/check-url.ts";
import { startReceiver } from "./receiver.ts";
import { useEffects, type Item, type Tables } from "./support.ts";

vi.stubEnv("TEST_CHECK_TOKEN", "Bearer of tokens");

const effects = useEffects();
const receiver = await startReceiver();
const table = "public.venues";

beforeEach(() => {
  receiver.requests.length = 0;
  receiver.answer = () => 200;
});

type Check = NonNullable<Tables[string]["check"]>;
const check = (more: Partial<Check> = {}) =>
  effects.context({
    [table]: { check: { url: `${receiver.url}/venues/{id}`, allowPrivate: true, ...more } },
  });
const run = (...items: Partial<Item>[]) => effects.run(items.map((item) => ({ table, ...item })));
const at = (path: string) => `${receiver.url}${path}`;

test("the first five rows that are there are asked for, with a header from the environment", async () => {
  const runId = await run(
    { action: "delete", live: { id: "gone" } },
    { target: { id: null } },
    ...Array.from({ length: 8 }, (_, i) => ({ target: { id: `a/${i}?#` } })),
  );
  const ctx = check({ headers: { authorization: { env: "TEST_CHECK_TOKEN" } } });
  const checked = await checkUrls(ctx, { runId, repeat: 0 });
  expect(checked).toEqual([0, 1, 2, 3].map((i) => ({ url: at(`/venues/a%2F${i}%3F%23`), status: 200 })));
  expect(receiver.requests.map(({ headers }) => headers.authorization)).toEqual(
    Array(4).fill("Bearer of tokens"),
  );
  expect(JSON.stringify(await effects.notes(runId, "check"))).not.toContain("Bearer");
  expect(await effects.notes(runId, "check")).toHaveLength(4);
});

test("what is not 200 to 299 is not well, redirects included, and a later look replaces what was noted", async () => {
  const runId = await run({ target: { id: 1 } }, { target: { id: 2 } }, { target: { id: 3 } });
  receiver.answer = ({ path }) => ({ "/venues/1": 302, "/venues/2": 404 })[path] ?? 204;
  expect(await checkUrls(check(), { runId, repeat: 0 })).toEqual([
    { url: at("/venues/1"), status: 302, error: "HTTP 302" },
    { url: at("/venues/2"), status: 404, error: "HTTP 404" },
    { url: at("/venues/3"), status: 204 },
  ]);
  expect(receiver.requests.map(({ path }) => path)).not.toContain("/elsewhere");
  const done = async () => (await effects.notes(runId, "check")).map((note) => note.is_done);
  expect(await done()).toEqual([false, false, true]);
  receiver.answer = () => 200;
  await checkUrls(check(), { runId, repeat: 0 });
  expect(await done()).toEqual([true, true, true]);
});

test("a URL without columns is asked once", async () => {
  const runId = await run({ target: { id: 1 } }, { target: { id: 2 } });
  expect(await checkUrls(check({ url: at("/health") }), { runId, repeat: 0 })).toEqual([
    { url: at("/health"), status: 200 },
  ]);
});

test("nothing that was applied, nothing asked", async () => {
  const runId = await run({ target: { id: 1 }, outcome: "skipped" });
  expect(await checkUrls(check(), { runId, repeat: 0 })).toEqual([]);
});

test("a private address, an unset variable and nobody there are told, and nothing is sent", async () => {
  const runId = await run({ target: { id: 1 } });
  const errorOf = async (more: Partial<Check>) =>
    (await checkUrls(check(more), { runId, repeat: 0 }))[0]?.error;
  const url = at("/").replace("http:", "https:");
  expect(await errorOf({ url, allowPrivate: false })).toBe("the address is private");
  expect(await errorOf({ headers: { "x-token": { env: "TEST_UNSET_TOKEN" } } })).toBe(
    "the variable TEST_UNSET_TOKEN is not set",
  );
  expect(await errorOf({ url: "http://127.0.0.1:9/" })).toBe("ECONNREFUSED");
  expect(receiver.requests).toHaveLength(0);
});
