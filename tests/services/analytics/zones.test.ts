import { beforeAll, expect, test } from "vitest";
import { workerContext } from "../../../services/runtime.ts";
import { rollUpTrails } from "../../../services/trails/roll-up.ts";
import { newId, useApi } from "../../support/api.ts";
import { dayIn } from "./oracle.ts";

const api = useApi();
const projectId = newId("proj");
const QUARTER_MS = 15 * 60_000;
const HOURS = 40;

/** Each with a moment at which its clocks change, and what happens then. */
const CHANGES: [zone: string, at: string, what: string][] = [
  ["America/Havana", "2025-11-02T05:00:00Z", "midnight comes twice"],
  ["America/Havana", "2026-03-08T05:00:00Z", "there is no midnight"],
  ["America/Sao_Paulo", "2018-02-18T02:00:00Z", "at midnight it is 23:00 again"],
  ["Asia/Beirut", "2026-03-28T22:00:00Z", "the day begins at one"],
  ["Australia/Lord_Howe", "2026-04-04T15:00:00Z", "the clocks go back by half an hour"],
  ["Pacific/Chatham", "2026-04-04T14:00:00Z", "from +13:45 to +12:45"],
  ["Pacific/Apia", "2011-12-30T10:00:00Z", "a whole day is left out"],
  ["Asia/Pyongyang", "2018-05-04T15:00:00Z", "from +08:30 to +09:00"],
  ["Asia/Kathmandu", "2026-01-01T00:00:00Z", "nothing, at +05:45"],
  ["Asia/Kolkata", "2026-01-01T00:00:00Z", "nothing, at +05:30"],
  ["Pacific/Kiritimati", "2026-01-01T00:00:00Z", "nothing, at +14"],
  ["Pacific/Pago_Pago", "2026-01-01T00:00:00Z", "nothing, at -11"],
  ["Europe/Berlin", "2026-03-29T01:00:00Z", "02:00 is left out"],
  ["UTC", "2026-01-01T00:00:00Z", "nothing"],
];

const around = (at: string) => {
  const first = Date.parse(at) - HOURS * 4 * QUARTER_MS;
  // Once at the very beginning of a quarter and once at its very end.
  return Array.from({ length: HOURS * 8 }, (_, i) => first + i * QUARTER_MS).flatMap((start) => [
    new Date(start),
    new Date(start + QUARTER_MS - 1),
  ]);
};
const all = [...new Set(CHANGES.flatMap(([, at]) => around(at).map((one) => one.toISOString())))];

beforeAll(async () => {
  await api.db.rows("app", "insert into projects (project_id, created_by_user_id) values ($1, 'u')", [
    projectId,
  ]);
  await api.db.rows(
    "app",
    `insert into audit_trails (project_id, message_id, status, "timestamp", model, context_layers, completed_at)
     select $1, 'm-' || n, 'complete', at, 'm', 1, at from unnest($2::timestamptz[]) with ordinality t (at, n)`,
    [projectId, all],
  );
  // The other half is still to be counted.
  await rollUpTrails(workerContext(api.runtime), Math.floor(all.length / 2));
});

const ask = async (from: string, to: string, tz: string) => {
  const { status, body } = await api.call(
    "GET",
    `/projects/${projectId}/analytics?from=${from}&to=${to}&tz=${tz}`,
  );
  expect(status).toBe(200);
  return body.analytics;
};

test.each(CHANGES)("a day of %s is that of its calendar around %s, when %s", async (zone, at) => {
  const day = dayIn(zone);
  const counts = new Map<string, number>();
  for (const one of all.map((text) => day(new Date(text)))) counts.set(one, (counts.get(one) ?? 0) + 1);
  const moments = around(at);
  const days = [...new Set(moments.map(day))];
  expect(days.length).toBeGreaterThan(2);
  for (const one of days) {
    const { messageCount, costByDay } = await ask(one, dayAfter(one), zone);
    expect([one, messageCount]).toEqual([one, counts.get(one)]);
    expect(costByDay.map((entry: { day: string }) => entry.day)).toEqual([one]);
  }
  const last = dayAfter(days.at(-1) as string);
  const { costByDay } = await ask(days[0] as string, last, zone);
  expect(
    costByDay.map((entry: { day: string; messageCount: number }) => [entry.day, entry.messageCount]),
  ).toEqual(days.map((one) => [one, counts.get(one)]));
});

function dayAfter(day: string): string {
  return new Date(Date.parse(day) + 24 * 60 * 60_000).toISOString().slice(0, 10);
}
