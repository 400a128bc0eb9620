import type { Database } from "./database.ts";
import type { RunStatus } from "./types.ts";

const RUNS_PER_EVENT_MAX = 1_000;

/** A run as `GET /v1/runs/:id` shows it. */
interface RunView {
  run_id: string;
  run_started_at: string;
  function_id: string;
  event_id: string;
  status: RunStatus;
  ended_at: string | null;
  output: unknown;
}

const RUN_VIEW = `
  select id, function_id, event_internal_id, status, output, coalesce(started_at, created_at) as started_at, ended_at
  from inngest.runs`;

interface RunViewRow {
  id: string;
  function_id: string;
  event_internal_id: string;
  status: RunStatus;
  output: string | null;
  started_at: Date;
  ended_at: Date | null;
}

export async function findRun(database: Database, id: string): Promise<RunView | undefined> {
  const [row] = await database.rows<RunViewRow & Record<string, unknown>>(`${RUN_VIEW} where id = $1`, [id]);
  return row && toView(row);
}

/** The runs an event started, by its internal id (what `POST /e/:key` answers), oldest first. */
export async function findRunsOfEvent(database: Database, internalId: string): Promise<RunView[]> {
  const rows = await database.rows<RunViewRow & Record<string, unknown>>(
    `${RUN_VIEW} where event_internal_id = $1 order by id limit $2`,
    [internalId, RUNS_PER_EVENT_MAX],
  );
  return rows.map(toView);
}

function toView(row: RunViewRow): RunView {
  return {
    run_id: row.id,
    run_started_at: row.started_at.toISOString(),
    function_id: row.function_id,
    event_id: row.event_internal_id,
    status: row.status,
    ended_at: row.ended_at?.toISOString() ?? null,
    output: row.output === null ? null : (JSON.parse(row.output) as unknown),
  };
}
