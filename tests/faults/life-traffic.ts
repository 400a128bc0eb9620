import { setTimeout as sleep } from "node:timers/promises";
import { ACTION, type Stored } from "./life-data.ts";
import type { Lane } from "./life-stage.ts";

const WRITE_PAUSE_MS = 60;
const READ_PAUSE_MS = 50;
const RETRY_MS = 50;
const PAGE_EVENTS_MIN = 40;
const PAGE_EVENTS_MAX = 400;

export interface Answer {
  status: number;
  // What an answer holds is what its reader knows.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

/** A request to the API of a lane; JSON in and out. */
export async function request(
  lane: Lane,
  key: string,
  method: string,
  route: string,
  body?: object,
): Promise<Answer> {
  const response = await lane.app.request(`http://localhost/api${route}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

/** The same until it is answered: a 503 or 500 while a fault lasts says nothing of what was asked for. */
export async function patiently(...asked: Parameters<typeof request>): Promise<Answer> {
  for (;;) {
    const answer = await request(...asked);
    if (answer.status < 500) return answer;
    await sleep(RETRY_MS);
  }
}

/** What goes on at the same time as a run, and what was wrong about it. */
export interface Traffic {
  /** Events that need not be seen from now on, because somebody has approved that they go. */
  release(eventIds: Iterable<string>): void;
  stop(): Promise<{ reads: number; unavailable: number; problems: string[] }>;
}

/** A writer and a reader: each event that was acknowledged before a read of all pages began is on exactly one of them. */
export function startTraffic(lane: Lane, run: string, stored: Stored, random: () => number): Traffic {
  const released = new Set<string>();
  const problems: string[] = [];
  let isOver = false;
  let [reads, unavailable] = [0, 0];

  const write = async () => {
    for (let n = 0; !isOver; n++) {
      const eventId = `${run} now ${n}`;
      const body = {
        eventId,
        workspaceId: `${run}-plain`,
        createdByUserId: "user",
        actionType: ACTION,
        resourceType: "thing",
        resourceId: `t-${n}`,
      };
      const { status } = await patiently(lane, lane.keys.asker, "POST", "/audit/log", body);
      if (status > 201) problems.push(`an event was refused with ${status}`);
      stored.written.add(eventId);
      await sleep(WRITE_PAUSE_MS);
    }
  };
  const read = async () => {
    while (!isOver) {
      const expected = [...stored.written];
      const limit = PAGE_EVENTS_MIN + Math.floor(random() * (PAGE_EVENTS_MAX - PAGE_EVENTS_MIN));
      const seen = await readAll(lane, limit);
      if (typeof seen === "number") {
        if (seen === 503) unavailable++;
        else problems.push(`a read was answered with ${seen}`);
      } else {
        reads++;
        // What was released during the read may be seen or not.
        const missing = expected.filter((one) => !seen.includes(one) && !released.has(one));
        const doubled = seen.length - new Set(seen).size;
        if (missing.length > 0)
          problems.push(`a read missed ${missing.length} events: ${missing.slice(0, 3).join(", ")}`);
        if (doubled > 0) problems.push(`a read showed ${doubled} events twice`);
      }
      await sleep(READ_PAUSE_MS);
    }
  };
  const both = Promise.all([write(), read()]);
  return {
    release: (eventIds) => {
      for (const one of eventIds) released.add(one);
    },
    stop: async () => {
      isOver = true;
      await both;
      return { reads, unavailable, problems };
    },
  };
}

/** The event ids on all pages, or the status of the page that was not answered. */
export async function readAll(lane: Lane, limit: number): Promise<string[] | number> {
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const query = new URLSearchParams({
      actionType: ACTION,
      limit: String(limit),
      ...(cursor === "" ? {} : { cursor }),
    });
    const { status, body } = await request(lane, lane.keys.asker, "GET", `/audit/events?${query}`);
    if (status !== 200) return status;
    seen.push(...body.items.map(({ eventId }: { eventId: string }) => eventId));
    cursor = body.nextCursor;
  }
  return seen;
}
