import type { DroppedWrite } from "../../client/index.ts";
import { numberOf, trailOf, type Written } from "./client-load.ts";

/** Reads the database; `$1` is the project or the workspace. */
export type Rows = (text: string, values: unknown[]) => Promise<Record<string, unknown>[]>;

export interface StoredTrail {
  messageId: string;
  status: string;
  model: string;
  contextLayers: number;
  reasoning: string[] | null;
  promptTokens: number | null;
  promptCost: number | null;
  latencyMs: number | null;
}

export interface Stored {
  trails: StoredTrail[];
  /** Of each row: the number of the write that its resource names. */
  events: number[];
}

export interface Seen {
  written: Written[];
  dropped: DroppedWrite[];
  /** As the clients count. */
  stored: number;
  queued: number;
  mode: "required" | "buffered";
}

export async function readStored(rows: Rows, projectId: string, workspaceId: string): Promise<Stored> {
  const trails = await rows(
    `select message_id as "messageId", status, model, context_layers as "contextLayers", reasoning,
       prompt_tokens as "promptTokens", prompt_cost::float8 as "promptCost", latency_ms as "latencyMs"
     from audit.audit_trails where project_id = $1`,
    [projectId],
  );
  const events = await rows(
    `select resource_id as "resourceId" from audit.every_event
     where workspace_id = $1 and action_type = 'CHAT_ANSWERED'`,
    [workspaceId],
  );
  return {
    trails: trails as unknown as StoredTrail[],
    events: events.map(({ resourceId }) => Number((resourceId as string).slice("thing-".length))),
  };
}

/**
 * What is wrong about what is stored, once nothing is under way any more. Stored are the writes that were acknowledged, in
 * buffered mode those that were not reported as dropped. A write that was given up without an answer may be stored, too,
 * and late: then it counts as the last one.
 */
export function problemsOf(seen: Seen, stored: Stored): string[] {
  const { written, dropped } = seen;
  const givenUp = new Map(dropped.map((one) => [numberOf(one), one]));
  const isStored = ({ number }: Written) => !givenUp.has(number);
  const mayBeStored = ({ number }: Written) => givenUp.get(number)?.mayBeStored ?? true;
  return [
    ...accounts(seen, givenUp),
    ...eventProblems(
      written.filter(({ kind }) => kind === "event"),
      stored.events,
      isStored,
      mayBeStored,
    ),
    ...trailProblems(
      written.filter(({ kind }) => kind !== "event"),
      stored.trails,
      isStored,
      mayBeStored,
    ),
  ];
}

/** stored + dropped = written, and a promise that was kept or broken says so rightly. */
function accounts(
  { written, dropped, stored, queued, mode }: Seen,
  givenUp: Map<number, DroppedWrite>,
): string[] {
  const problems: string[] = [];
  if (givenUp.size !== dropped.length) problems.push("a write was reported as dropped twice");
  if (stored + dropped.length !== written.length || queued !== 0)
    problems.push(
      `${written.length} written, but ${stored} counted as stored, ${dropped.length} reported as dropped, ${queued} queued`,
    );
  for (const { number, kind, isAcknowledged } of written) {
    if (isAcknowledged === undefined) problems.push(`${kind} ${number} was never answered`);
    if (mode === "required" && isAcknowledged === givenUp.has(number))
      problems.push(
        `${kind} ${number} ${isAcknowledged ? "was acknowledged and dropped" : "failed, and was not dropped"}`,
      );
  }
  return problems;
}

type Asked = (one: Written) => boolean;

function eventProblems(written: Written[], stored: number[], isStored: Asked, mayBeStored: Asked): string[] {
  const rows = new Map<number, number>();
  for (const number of stored) rows.set(number, (rows.get(number) ?? 0) + 1);
  const problems = [...rows]
    .filter(([, n]) => n > 1)
    .map(([number, n]) => `event ${number} is there ${n} times`);
  for (const one of written) {
    const isThere = rows.delete(one.number);
    if (isStored(one) && !isThere) problems.push(`event ${one.number} is lost`);
    if (isThere && !mayBeStored(one)) problems.push(`event ${one.number} was dropped, and is stored`);
  }
  return [...problems, ...[...rows.keys()].map((number) => `event ${number} was never written`)];
}

function trailProblems(
  written: Written[],
  stored: StoredTrail[],
  isStored: Asked,
  mayBeStored: Asked,
): string[] {
  const rows = new Map(stored.map((row) => [row.messageId, row]));
  const problems: string[] = stored.length === rows.size ? [] : ["a trail is stored twice"];
  for (const messageId of new Set(written.map(({ id }) => id))) {
    const writes = written.filter(({ id }) => id === messageId);
    const row = rows.get(messageId);
    rows.delete(messageId);
    const known = writes.filter(isStored);
    const perhaps = writes.filter((one) => !isStored(one) && mayBeStored(one));
    const isWhole = ({ kind }: Written) => kind !== "placeholder";
    const lastWhole = known.findLast(isWhole);
    const allowed = [
      // Among placeholders as among complete ones the last one stands, and each complete one before every placeholder.
      lastWhole ?? known.at(-1),
      ...perhaps.filter((one) => isWhole(one) || !lastWhole),
    ].filter((one) => one !== undefined);
    if (!row && known.length > 0) problems.push(`trail ${messageId} is lost`);
    if (row && !allowed.some((one) => shows(row, one)))
      problems.push(
        `trail ${messageId} is ${row.status} by write ${row.contextLayers}, not by ${allowed.map(({ number }) => number).join(" or ")}`,
      );
  }
  return [...problems, ...[...rows.keys()].map((messageId) => `trail ${messageId} was never written`)];
}

/** Whether all that is stored of a trail is of this write. */
export function shows(row: StoredTrail, { kind, number }: Pick<Written, "kind" | "number">): boolean {
  const { model, contextLayers, reasoning, tokens, cost, latencyMs } = trailOf(number);
  const isOpen = kind === "placeholder";
  const expected = [
    isOpen ? "placeholder" : "complete",
    model,
    contextLayers,
    ...(isOpen ? [null, null, null, null] : [reasoning, tokens.prompt, cost.prompt, latencyMs]),
  ];
  const found = [
    row.status,
    row.model,
    row.contextLayers,
    row.reasoning,
    row.promptTokens,
    row.promptCost,
    row.latencyMs,
  ];
  return JSON.stringify(found) === JSON.stringify(expected);
}
