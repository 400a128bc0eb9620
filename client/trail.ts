import type { AuditTrail, AuditTrailUpdate, Cost, NewAuditTrail, Tokens, TrailStatus } from "./types.ts";

type Amounts = Record<string, number | null>;

/** A trail as the service takes it. */
export interface WireTrail {
  messageId: string;
  projectId?: string | undefined;
  timestamp: string;
  model: string;
  contextLayers: number;
  reasoning?: string[] | null;
  tokens?: Amounts | null;
  cost?: Amounts | null;
  status?: TrailStatus;
  latencyMs?: number | null;
  digests?: Record<string, string | null>;
  inputs?: object;
}

/** A trail as the service answers it. */
export interface StoredTrail extends Required<Omit<WireTrail, "projectId" | "inputs">> {
  projectId?: string | undefined;
}

const NOTHING = { prompt: 0, completion: 0, total: 0 };
const UPDATABLE = [
  "model",
  "reasoning",
  "contextLayers",
  "tokens",
  "cost",
  "status",
  "latencyMs",
  "digests",
  "inputs",
] as const;

/** Whether tokens or a cost hold anything: a placeholder's are absent, empty or 0. */
export const holdAmount = (...groups: (object | null | undefined)[]): boolean =>
  groups.some((group) => Object.values(group ?? {}).some((value) => (value as number) > 0));

/** As the service takes it. Throws a RangeError for a time that is none. */
export function toWire({ messageId, projectId, timestamp, ...rest }: NewAuditTrail): WireTrail {
  return { messageId, projectId, timestamp: new Date(timestamp).toISOString(), ...pick(rest) } as WireTrail;
}

/** The fields of a trail that may change, without those that are undefined; a clock's fractions are rounded. */
export function pick(update: AuditTrailUpdate): Partial<WireTrail> {
  const picked: Partial<WireTrail> & Record<string, unknown> = {};
  for (const name of UPDATABLE) if (update[name] !== undefined) (picked[name] as unknown) = update[name];
  if (picked.latencyMs) picked.latencyMs = Math.round(picked.latencyMs);
  return picked;
}

/** As an app knows it: what is not known yet is 0. */
export function fromWire({ timestamp, tokens, cost, ...rest }: StoredTrail): AuditTrail {
  return {
    ...rest,
    timestamp: new Date(timestamp),
    tokens: (tokens as Tokens | null) ?? { ...NOTHING },
    cost: (cost as Cost | null) ?? (rest.status === "placeholder" ? { ...NOTHING } : null),
  };
}
