import pg from "pg";
import { expect, vi } from "vitest";
import { mintKey, type Answer, type KeyOptions } from "../../support/api.ts";
import type { RestoreStage } from "../../support/restores.ts";
import { waitingFor } from "../../support/waits.ts";

const WAIT_MS = 15_000;

/** Asks for a restore and does not wait for it. */
export const start = (
  stage: RestoreStage,
  target: unknown,
  options: unknown = {},
  key?: string,
): Promise<Answer> =>
  stage.call("POST", "/restores", { body: { target, options, reason: "test" }, ...(key ? { key } : {}) });

export const act = (stage: RestoreStage, id: string, verb: string, key?: string): Promise<Answer> =>
  stage.call("POST", `/restores/${id}/${verb}`, {
    ...(verb === "rollback" ? { body: { reason: "test" } } : {}),
    ...(["approve", "reject"].includes(verb) ? { body: {} } : {}),
    ...(key ? { key } : {}),
  });

export const rollback = async (
  stage: RestoreStage,
  id: string,
  more: object = {},
): Promise<Answer["body"]> => {
  const answer = await stage.call("POST", `/restores/${id}/rollback`, { body: { reason: "test", ...more } });
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  return stage.ended(answer.body.id);
};

export const get = async (stage: RestoreStage, id: string): Promise<Answer["body"]> =>
  (await stage.call("GET", `/restores/${id}`)).body;

export const keyOf = (stage: RestoreStage, userId: string, more: KeyOptions = {}) =>
  mintKey(stage.db, { userId, ...more });

/** Rows as the superuser sees them. */
export const rows = (stage: RestoreStage, text: string, values?: unknown[]) =>
  stage.db.rows("superuser", text, values);

export const alertsOf = async (stage: RestoreStage, subject: string): Promise<unknown[]> =>
  (
    await rows(
      stage,
      "select code, resolved_at is null as open from audit.alerts where subject = $1 order by 1",
      [subject],
    )
  ).map(({ code, open }) => (open ? code : `${String(code)} (closed)`));

export const eventsOf = (stage: RestoreStage, id: string) =>
  rows(
    stage,
    "select action_type, created_by_user_id, created_at, metadata from audit.audit_events where resource_id = $1 order by created_at, id",
    [id],
  );

/** The history that a restore has written. */
export const historyOf = (stage: RestoreStage, id: string) =>
  rows(
    stage,
    "select table_name, record_id, action, user_id, created_at from audit.audit_logs where restore_id = $1 order by id",
    [id],
  );

/** A session of the application's that holds an advisory lock, at which triggers of the application wait. */
export async function closeGate(stage: RestoreStage, number: number) {
  const client = new pg.Client({ connectionString: stage.db.url("admin") });
  await client.connect();
  await client.query("select pg_advisory_lock($1)", [number]);
  return {
    client,
    /** Until somebody waits for a lock of this kind. */
    reached: (locktype = "advisory") =>
      vi.waitFor(async () => {
        const found = await waitingFor(stage.db, { locktype, role: "audit_worker" });
        expect(found).not.toEqual([]);
        return found;
      }, WAIT_MS),
    open: () => client.end(),
  };
}

/** SQL of a trigger that waits at a gate for the rows that a condition holds for. */
export const waitsAtGate = (table: string, timing: string, condition: string, number: number): string => `
  create or replace function gate_${table}() returns trigger language plpgsql as $$
    begin
      if ${condition} then perform pg_advisory_xact_lock_shared(${number}); end if;
      return coalesce(new, old);
    end $$;
  create trigger gate ${timing} on ${table} for each row execute function gate_${table}();`;

/** The time of the database, after whatever was committed and before whatever follows. */
export async function timeBetween(stage: RestoreStage): Promise<string> {
  await stage.sql("select pg_sleep(0.002)");
  const [row] = await stage.sql(
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MSZ') as at, pg_sleep(0.002)`,
  );
  return String(row?.at);
}
