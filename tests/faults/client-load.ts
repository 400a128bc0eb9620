import { setTimeout as sleep } from "node:timers/promises";
import type { AuditClient, DroppedWrite } from "../../client/index.ts";
import { pick } from "./random.ts";

/** Between two messages of a caller, so that a load outlasts some misfortunes. */
const PAUSE_MS_MAX = 250;
/** Dollars. */
const TOKEN_COST = 0.001;

/** A write as it was asked for. Each has a number of its own, which all of its fields tell. */
export interface Written {
  number: number;
  kind: "placeholder" | "store" | "update" | "event";
  /** Of the message, or of the event. */
  id: string;
  /** Undefined while its promise has not settled. */
  isAcknowledged: boolean | undefined;
}

export interface Load {
  /** The instances of an application; a message is written by one of them. */
  clients: AuditClient[];
  projectId: string;
  workspaceId: string;
  messages: number;
  callers: number;
  random: () => number;
}

/** What a chat does with one message; a placeholder that comes late must change nothing. */
const COURSES: Written["kind"][][] = [
  ["store"],
  ["store"],
  ["store"],
  ["store", "store", "update"],
  ["placeholder", "update"],
  ["placeholder", "update"],
  ["placeholder", "update", "update", "placeholder"],
  ["placeholder", "store", "update"],
  ["event"],
  ["event", "event"],
];

export const trailOf = (number: number) => ({
  model: `model-${number}`,
  contextLayers: number,
  reasoning: [`Answer ${number}.`],
  tokens: { prompt: number, completion: 1 },
  cost: { prompt: number * TOKEN_COST, completion: TOKEN_COST },
  latencyMs: number,
});

export const eventOf = (number: number, workspaceId: string) => ({
  actionType: "CHAT_ANSWERED",
  resourceType: "message",
  resourceId: `thing-${number}`,
  workspaceId,
  createdByUserId: "user",
});

/** Which of the writes a dropped one is: the number is in its body. */
export const numberOf = ({ kind, body }: DroppedWrite): number =>
  kind === "event"
    ? Number((body as { resourceId: string }).resourceId.slice("thing-".length))
    : (body as { contextLayers: number }).contextLayers;

/** Messages of many callers at once, each in one of several courses, noted in `written`; ends when each write has ended. */
export async function writeLoad(load: Load, written: Written[]): Promise<void> {
  const { clients, messages, callers, random } = load;
  const numbers = Array.from({ length: messages }, (_, n) => n).values();
  const caller = async () => {
    for (const n of numbers) {
      const client = clients[n % clients.length] as AuditClient;
      for (const kind of pick(random, COURSES)) {
        const one: Written = { number: written.length, kind, id: `msg-${n}`, isAcknowledged: undefined };
        written.push(one);
        const answered = send(client, load, one).then(
          () => true,
          () => false,
        );
        one.isAcknowledged = await answered;
      }
      await sleep(random() * PAUSE_MS_MAX);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function send(client: AuditClient, { projectId, workspaceId }: Load, one: Written): Promise<void> {
  const { number, id: messageId } = one;
  switch (one.kind) {
    case "placeholder":
      return client.createPlaceholderAuditTrail({
        messageId,
        projectId,
        model: `model-${number}`,
        contextLayers: number,
      });
    case "store":
      return client.storeAuditTrail({ messageId, projectId, timestamp: new Date(), ...trailOf(number) });
    case "update":
      return client.updateAuditTrail(messageId, trailOf(number), projectId);
    case "event":
      // The client makes its id.
      one.id = await client.logAuditEvent(eventOf(number, workspaceId));
  }
}
