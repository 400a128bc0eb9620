import { randomFrom } from "./statistics.ts";

/** An event as the API takes it. */
export interface BenchEvent {
  actionType: string;
  resourceType: string;
  resourceId: string;
  workspaceId: string;
  createdByUserId: string;
  eventId?: string;
  oldValues: Record<string, unknown>;
  newValues: Record<string, unknown>;
  ipAddress: string;
  userAgent: string;
  requestId: string;
  tags: string[];
  metadata: Record<string, unknown>;
}

export interface RowOptions {
  /** How many workspaces the events are spread over. */
  workspaces: number;
  /** Gives each event a natural key that begins so; without it none has one. */
  eventIds?: string;
}

const ACTIONS = [
  "UPDATE_DOCUMENT",
  "invoice.paid",
  "MEMBER_INVITED",
  "UPDATE_WORKSPACE",
  "assessment.scored",
];
const KINDS = ["document", "invoice", "member", "workspace", "assessment"];
const PLANS = ["free", "team", "business", "enterprise"];
const USER_AGENT =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36";

/** Events like those of a back office, 0.9 to 1.2 KB of JSON each; the same for the same seed. */
export function makeEvents(count: number, seed: number, { workspaces, eventIds }: RowOptions): BenchEvent[] {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const pick = <T>(from: readonly T[]) => from[below(from.length)] as T;
  const digits = () => below(2 ** 31).toString(16);
  return Array.from({ length: count }, (_, i) => {
    const oldValues = {
      name: `Quarterly review ${below(10_000)}`,
      plan: pick(PLANS),
      seats: below(500),
      isPublic: random() < 0.5,
      owner: { id: `user-${below(2_000)}`, email: `person${below(2_000)}@example.com` },
      summary: `Draft ${digits()} of the text that the team agreed on, with notes ${digits()} and ${digits()}.`,
      updatedAt: new Date(1_760_000_000_000 + below(10 ** 9)).toISOString(),
    };
    return {
      actionType: pick(ACTIONS),
      resourceType: pick(KINDS),
      resourceId: `res-${below(5_000)}`,
      workspaceId: `ws-${below(workspaces)}`,
      createdByUserId: `user-${below(2_000)}`,
      ...(eventIds === undefined ? {} : { eventId: `${eventIds}-${i}` }),
      oldValues,
      newValues: {
        ...oldValues,
        plan: pick(PLANS),
        seats: below(500),
        updatedAt: new Date(1_761_000_000_000 + below(10 ** 9)).toISOString(),
      },
      ipAddress: `10.${below(256)}.${below(256)}.${below(256)}`,
      userAgent: USER_AGENT,
      requestId: `req-${digits()}${digits()}`,
      tags: ["bench", pick(PLANS), pick(KINDS)],
      metadata: {
        source: "back-office",
        region: pick(["eu", "us"]),
        build: below(900),
        traceId: `${digits()}${digits()}`,
      },
    };
  });
}

const INT4_MAX = 2 ** 31 - 1;

/** Seeds that a run hands out one by one, so that no two parts of it send the same events. */
export function seedsFrom(first: number): () => number {
  let next = first;
  return () => (next = (next + 1) % INT4_MAX);
}
