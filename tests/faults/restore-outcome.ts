import { readCache } from "./restore-cache.ts";
import { OWNER_CHANGED, schemaOf } from "./restore-config.ts";
import type { Stage } from "./restore-stage.ts";

export interface Ran {
  lane: number;
  run: string;
  /** The last entry of the history before the restore. */
  since: string;
  restoreId: string;
  rollbackId: string | null;
}

/** What a run has left behind, in lines that are the same for each run of a scenario unless something went wrong. */
export async function outcomeOf(stage: Stage, ran: Ran): Promise<string[]> {
  const parts = await Promise.all([
    tableLines(stage, ran),
    historyLines(stage, ran),
    ...[ran.restoreId, ran.rollbackId].flatMap((id, i) =>
      id === null
        ? []
        : [runLines, flushLines].map((lines) => lines(stage, ran, id, i === 0 ? "restore" : "rollback")),
    ),
    cacheLines(stage, ran),
    jobLines(stage, ran),
  ]);
  return parts.flat();
}

async function tableLines(stage: Stage, { lane }: Ran): Promise<string[]> {
  const lines = ["owners", "venues", "singers"].map(async (table) => {
    const [row] = await stage.sql(
      `select count(*) || ' rows, ' || md5(string_agg(image, e'\\n' order by image collate "C")) as sum
       from (select (to_jsonb(t) - 'updated_at' - 'run')::text as image from ${schemaOf(lane)}.${table} t) x`,
    );
    return `table ${table}: ${String(row?.sum)}`;
  });
  // A crash lets a sequence skip numbers; none may come twice.
  const sequences = ["owners", "venues"].map(async (table) => {
    const [row] = await stage.sql(
      `select last_value >= (select max(id) from ${schemaOf(lane)}.${table}) as is_ahead from ${schemaOf(lane)}.${table}_id_seq`,
    );
    return `sequence of ${table}: ${row?.is_ahead === false ? "behind" : "ahead"}`;
  });
  return Promise.all([...lines, ...sequences]);
}

/** Every entry since the damage, by whose it is. */
async function historyLines(stage: Stage, { lane, since, restoreId, rollbackId }: Ran): Promise<string[]> {
  const found = await stage.sql(
    `select format('history of %s: %s by %s, %s entries, %s records', table_name, action,
       case restore_id when $3 then 'the restore' when $4 then 'the rollback' else coalesce('another restore ' || restore_id, 'nobody') end,
       count(*), count(distinct record_id)) as line
     from audit.audit_logs where table_schema = $1 and id > $2 group by table_name, action, restore_id order by 1`,
    [schemaOf(lane), since, restoreId, rollbackId],
  );
  return found.map(({ line }) => line as string);
}

async function runLines(stage: Stage, _: Ran, id: string, name: string): Promise<string[]> {
  const found = await stage.sql(
    `select unnest(array[
       format('status: %s %s', status, error),
       format('chunks: %s', (select jsonb_agg(jsonb_build_array(chunk, applied_count, skipped_count) order by chunk) from audit.restore_chunks where run_id = $1::uuid)),
       format('outcomes: %s', (select count(*) || ' ' || md5(string_agg(position || outcome, ' ' order by position)) from audit.restore_outcomes where run_id = $1::uuid)),
       format('snapshot: %s', (select md5(string_agg(position || (image - 'updated_at' - 'run')::text, ' ' order by position)) from audit.restore_snapshot_rows where run_id = $1::uuid)),
       format('events: %s', (select jsonb_agg(action_type order by action_type) from audit.audit_events
         where resource_id = $1::uuid::text and action_type in ('RESTORE_BEGUN', 'RESTORE_COMPLETED', 'RESTORE_FAILED', 'RESTORE_NEEDS_ATTENTION', 'RESTORE_CANCELLED'))),
       format('not done: %s', (select string_agg(kind || ' ' || regexp_replace(name, ':[^:]*:', ':'), ', ' order by kind, name) from audit.restore_effects where run_id = $1::uuid and not is_done)),
       format('enqueued: %s', (select count(*) from audit.restore_effects where run_id = $1::uuid and kind = 'enqueue')),
       format('alerts: %s', (select count(*) from audit.alerts where subject = $1::uuid::text and code <> 'restore.silent')),
       format('applied in the report: %s', report ->> 'applied'),
       format('verified: %s', report #>> '{verification,ok}')
     ]) as line from audit.restore_runs where id = $1::uuid`,
    [id],
  );
  return found.map(({ line }) => `${name} ${line as string}`);
}

/** The keys that follow from the rows; which keys a pattern finds depends on what was read meanwhile. */
async function flushLines(stage: Stage, { run }: Ran, id: string, name: string): Promise<string[]> {
  const found = await stage.sql(
    `select replace(name, $2, ':') as key from audit.restore_effects where run_id = $1 and kind = 'flush' and name !~ '^(list|pattern):' order by 1`,
    [id, `:${run}:`],
  );
  return found.map(({ key }) => `${name} flushed ${key as string}`);
}

async function cacheLines(stage: Stage, ran: Ran): Promise<string[]> {
  const { kept, stale } = await readCache(stage, ran);
  return [...kept.map((key) => `cache: ${key} kept`), ...stale.map((key) => `cache: ${key} is stale`)];
}

/** Jobs by their ids; how often a receiver that knows them by these was told is not counted. */
async function jobLines(stage: Stage, { run }: Ran): Promise<string[]> {
  const events = await stage.engineSql(
    `select payload::json ->> 'id' as id, payload::json -> 'data' ->> 'owner' as owner
     from inngest.events where name = $1 and payload::json -> 'data' ->> 'run' = $2`,
    [OWNER_CHANGED, run],
  );
  const posts = [...stage.receiver.postsOf(run).values()];
  const lines = (kind: string, owners: string[]) =>
    [...new Set(owners)]
      .sort()
      .map((owner) => `${kind} for owner ${owner}: ${owners.filter((one) => one === owner).length}`);
  return [
    ...lines(
      "event",
      events.map(({ owner }) => owner as string),
    ),
    ...lines(
      "post",
      posts.map(({ owner }) => owner),
    ),
  ];
}

/** Attempts of steps that did not come to their end, for whoever looks into a difference. */
export async function failedAttempts(stage: Stage, { restoreId, rollbackId }: Ran): Promise<string[]> {
  const found = await stage.sql(
    `select format('%s, attempt %s after %s ms: %s', step, attempt,
       round(1000 * extract(epoch from started_at - min(started_at) over ())), coalesce(detail ->> 'error', 'broken off')) as line
     from audit.restore_steps where run_id = coalesce($2::uuid, $1::uuid) and outcome is distinct from 'done' order by started_at`,
    [restoreId, rollbackId],
  );
  return found.map(({ line }) => line as string);
}

/** Jobs that were posted more than once, each time under their one id. */
export const redeliveries = (stage: Stage, run: string): number =>
  [...stage.receiver.postsOf(run).values()].reduce((sum, { deliveries }) => sum + deliveries - 1, 0);

export interface Difference {
  /** Lines of the undisturbed run that are missing. */
  lost: string[];
  /** Lines that it does not have. */
  added: string[];
}

export function compare(undisturbed: string[], run: string[]): Difference {
  return {
    lost: undisturbed.filter((line) => !run.includes(line)),
    added: run.filter((line) => !undisturbed.includes(line)),
  };
}
