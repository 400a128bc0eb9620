import { isIP } from "node:net";
import { insertServiceEvent } from "../../db/queries/events-append.ts";
import { inTransaction, SERVICE_WORKSPACE, type WorkerContext } from "../context.ts";
import { raiseAlert } from "./raise.ts";

/** So many refusals within the window are a burst. */
export const BURST_REFUSALS = 30;
export const WINDOW_S = 60;
const ADDRESSES_MAX = 10;
/** Keys that are counted at the same time; the one that was refused longest ago makes room. */
const KEYS_MAX = 1_000;
const MS_PER_S = 1_000;

export interface Refusal {
  status: 401 | 403;
  /** Whose key was refused; a request without a valid one has none. */
  keyId: string | undefined;
  address: string | undefined;
}

export interface Burst extends Pick<Refusal, "status" | "keyId"> {
  /** `unauthenticated`, or `key:` and its id. */
  subject: string;
  /** Refusals since the last burst was reported. */
  count: number;
  addresses: string[];
}

/** Notes a refusal; answers the burst that it completes, at most one per subject and window. */
type RefusalCounter = (refusal: Refusal) => Burst | null;

interface Counted {
  /** The last BURST_REFUSALS refusals within the window. */
  recent: { time: number; address: string | undefined }[];
  /** Refusals of the burst that is under way, since it was last reported. */
  count: number;
  reportedAt: number;
}

/**
 * Counts refusals in this process's memory, which is bounded: whatever is shared by all instances would cost a write
 * per refused request, and that is what an attacker wants. With `now` in milliseconds.
 */
export function createRefusalCounter(now: () => number = Date.now): RefusalCounter {
  const subjects = new Map<string, Counted>();
  return ({ status, keyId, address }) => {
    const subject = status === 403 && keyId !== undefined ? `key:${keyId}` : "unauthenticated";
    const time = now();
    const since = time - WINDOW_S * MS_PER_S;
    const known = subjects.get(subject) ?? { recent: [], count: 0, reportedAt: -Infinity };
    const recent = [...known.recent.filter((one) => one.time > since), { time, address }].slice(
      -BURST_REFUSALS,
    );
    const isBurst = recent.length === BURST_REFUSALS;
    const isNews = isBurst && known.reportedAt <= since;
    const count = isBurst ? known.count + 1 : recent.length;
    const reportedAt = isNews ? time : known.reportedAt;
    subjects.delete(subject);
    if (subjects.size >= KEYS_MAX) subjects.delete(subjects.keys().next().value as string);
    subjects.set(subject, { recent, count: isNews ? 0 : count, reportedAt });
    return isNews ? { subject, status, keyId, count, addresses: addressesOf(recent) } : null;
  };
}

function addressesOf(recent: Counted["recent"]): string[] {
  const addresses = recent.flatMap(({ address }) => (address === undefined ? [] : [address]));
  return [...new Set(addresses)].slice(0, ADDRESSES_MAX);
}

/** The client's address as Vercel states it, or none: elsewhere anybody can claim one, but only an address. */
export function clientAddress(headers: { get(name: string): string | null }): string | undefined {
  const stated = headers.get("x-real-ip") ?? headers.get("x-forwarded-for")?.split(",")[0] ?? "";
  const address = stated.trim();
  // A zone after % may hold any text.
  return isIP(address) !== 0 && !address.includes("%") ? address : undefined;
}

/** Writes a burst into the log as an event that matters to security, and raises its alert. */
export async function reportBurst(ctx: WorkerContext, burst: Burst, requestId: string): Promise<void> {
  const { subject, status, keyId, count, addresses } = burst;
  const figures = { status, count, windowSeconds: WINDOW_S, ...(keyId === undefined ? {} : { keyId }) };
  const [who, action] =
    keyId === undefined
      ? ["without a valid key", "Look where they come from"]
      : [`with the key ${keyId}`, "Ask its owner, and revoke it if it is not where it should be"];
  await inTransaction(ctx, async (inner) => {
    await insertServiceEvent(inner.db, {
      action_type: "ACCESS_REFUSED",
      resource_type: "access",
      resource_id: subject,
      workspace_id: SERVICE_WORKSPACE,
      created_by_user_id: SERVICE_WORKSPACE,
      request_id: requestId,
      metadata: { ...figures, addresses },
    });
    await raiseAlert(inner, {
      code: "access.refused",
      subject,
      severity: "warning",
      message: `${count} requests ${who} were refused with ${status} within about ${WINDOW_S} s. ${action}: GET /api/audit/events?workspaceId=afterimage&actionType=ACCESS_REFUSED`,
      details: figures,
    });
  });
}
