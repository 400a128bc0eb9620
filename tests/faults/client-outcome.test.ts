import { expect, test } from "vitest";
import { AuditClientError, type DroppedWrite } from "../../client/index.ts";
import { eventOf, trailOf, type Written } from "./client-load.ts";
import { problemsOf, type Seen, type Stored, type StoredTrail } from "./client-outcome.ts";

const write = (number: number, kind: Written["kind"], id = `msg-${number}`): Written => ({
  number,
  kind,
  id,
  isAcknowledged: true,
});
const row = (messageId: string, number: number): StoredTrail => {
  const { model, contextLayers, reasoning, tokens, cost, latencyMs } = trailOf(number);
  const amounts = { promptTokens: tokens.prompt, promptCost: cost.prompt, latencyMs };
  return { messageId, status: "complete", model, contextLayers, reasoning, ...amounts };
};
const open = {
  status: "placeholder",
  reasoning: null,
  promptTokens: null,
  promptCost: null,
  latencyMs: null,
};
const drop = (number: number, kind: DroppedWrite["kind"], mayBeStored: boolean): DroppedWrite => ({
  kind,
  id: "",
  body: kind === "event" ? eventOf(number, "ws") : trailOf(number),
  error: new AuditClientError("timeout", ""),
  mayBeStored,
});

// A trail in two steps and a late placeholder, a trail whose second write was given up, one that was dropped, two events.
const seen: Seen = {
  mode: "buffered",
  written: [
    write(1, "placeholder", "a"),
    write(2, "update", "a"),
    write(3, "placeholder", "a"),
    write(4, "store", "b"),
    write(5, "update", "b"),
    write(6, "store", "c"),
    write(7, "event"),
    write(8, "event"),
  ],
  dropped: [drop(5, "trail update", true), drop(6, "trail", false), drop(8, "event", true)],
  stored: 5,
  queued: 0,
};
const right: Stored = { trails: [row("a", 2), row("b", 4)], events: [7] };

test("what was given up without an answer may be stored or not", () => {
  expect(problemsOf(seen, right)).toEqual([]);
  expect(problemsOf(seen, { trails: [row("a", 2), row("b", 5)], events: [7, 8] })).toEqual([]);
});

test.each<[string, Stored]>([
  ["trail a is lost", { ...right, trails: [row("b", 4)] }],
  ["trail a is placeholder by write 3", { ...right, trails: [{ ...row("a", 3), ...open }, row("b", 4)] }],
  ["trail a is complete by write 2", { ...right, trails: [{ ...row("a", 2), latencyMs: 9 }, row("b", 4)] }],
  ["trail c is complete by write 6", { ...right, trails: [...right.trails, row("c", 6)] }],
  ["trail d was never written", { ...right, trails: [...right.trails, row("d", 4)] }],
  ["event 7 is lost", { ...right, events: [] }],
  ["event 7 is there 2 times", { ...right, events: [7, 7] }],
  ["event 9 was never written", { ...right, events: [7, 9] }],
])("sees that %s", (problem, stored) => {
  expect(problemsOf(seen, stored)).toEqual([expect.stringContaining(problem)]);
});

test.each<[string, Partial<Seen>]>([
  ["8 written, but 4 counted as stored", { stored: 4 }],
  ["reported as dropped twice", { dropped: [...seen.dropped, drop(8, "event", true)], stored: 4 }],
  ["event 8 was acknowledged and dropped", { mode: "required", written: seen.written.map(failing(5, 6)) }],
  [
    "placeholder 1 failed, and was not dropped",
    { mode: "required", written: seen.written.map(failing(1, 5, 6, 8)) },
  ],
])("sees that %s", (problem, other) => {
  expect(problemsOf({ ...seen, ...other }, right)).toEqual([expect.stringContaining(problem)]);
});

function failing(...numbers: number[]) {
  return (one: Written): Written => ({ ...one, isAcknowledged: !numbers.includes(one.number) });
}
