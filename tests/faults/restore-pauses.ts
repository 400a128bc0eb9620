import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { schemaOf } from "./restore-config.ts";

/** The class of the advisory locks that restores wait for at a point. */
const LOCK_CLASS = 7_001;
const POLL_MS = 40;

/**
 * Lets a restore be held at a named point of its course: triggers call faults.reach(), which waits for a lock where a run
 * is to be held. Points: `begin <step>`, `end <step>` (before the note commits), `row <chunk> <n>` (the nth row that a chunk
 * writes), `mark <chunk>`, `keep`, `note flush`, `done flush`, `note enqueue`.
 */
const PAUSES = `
  create schema faults;
  create table faults.points (run_id uuid primary key, point text not null, hold int not null);
  grant usage on schema faults to public;

  create function faults.reach(p_run uuid, p_point text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_hold int;
  begin
    select hold into v_hold from faults.points where run_id = p_run and point = p_point;
    if found then perform pg_advisory_xact_lock_shared(${LOCK_CLASS}, v_hold); end if;
  end $$;

  create function faults.on_step() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach(new.run_id, case tg_op when 'INSERT' then 'begin ' else 'end ' end || new.step);
    return null;
  end $$;
  create trigger pause after insert or update on audit.restore_steps for each row execute function faults.on_step();

  create function faults.on_chunk() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach(new.run_id, 'mark ' || new.chunk);
    return null;
  end $$;
  create trigger pause after insert on audit.restore_chunks for each row execute function faults.on_chunk();

  create function faults.on_snapshot() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach(new.run_id, 'keep');
    return null;
  end $$;
  create trigger pause after insert on audit.restore_snapshot_rows for each row execute function faults.on_snapshot();

  create function faults.on_effect() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach(new.run_id, case tg_op when 'INSERT' then 'note ' else 'done ' end || new.kind);
    return null;
  end $$;
  create trigger pause after insert or update on audit.restore_effects for each row execute function faults.on_effect();

  create function faults.on_row() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_run uuid := nullif(current_setting('audit.restore_id', true), '');
    v_row int := coalesce(nullif(current_setting('faults.row', true), '')::int, 0) + 1;
  begin
    if v_run is not null then
      perform set_config('faults.row', v_row::text, true);
      perform faults.reach(v_run, 'row ' || (select count(*) + 1 from audit.restore_chunks where run_id = v_run) || ' ' || v_row);
    end if;
    return coalesce(new, old);
  end $$;
`;

const onRows = (lane: number) =>
  ["owners", "venues", "singers"]
    .map(
      (table) =>
        `create trigger zz_pause before insert or update or delete on ${schemaOf(lane)}.${table} for each row execute function faults.on_row();`,
    )
    .join("\n");

export interface Pauses {
  /** Holds a run at a point from now on. */
  hold(number: number, runId: string, point: string): Promise<void>;
  /** The server processes that wait there. */
  waiting(number: number): Promise<number[]>;
  release(number: number): Promise<void>;
  close(): Promise<void>;
}

/** `url` is a superuser's. */
export async function openPauses(url: string, lanes: number): Promise<Pauses> {
  let client = await connected(url);
  await client.query(PAUSES + Array.from({ length: lanes }, (_, lane) => onRows(lane)).join("\n"));
  const held = new Set<number>();
  const reconnect = async () => {
    const fresh = await connected(url);
    await fresh.query("select pg_advisory_lock($1, n) from unnest($2::int[]) n", [LOCK_CLASS, [...held]]);
    client = fresh;
  };
  const patiently = async <T extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<T[]> => {
    for (;;) {
      try {
        return (await client.query<T>(text, values)).rows;
      } catch (error) {
        if (error instanceof pg.DatabaseError && error.severity === "ERROR") throw error;
        await reconnect().catch(() => sleep(POLL_MS));
      }
    }
  };
  // One after the other: the locks belong to one session.
  let last: Promise<unknown> = Promise.resolve();
  const ask = <T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> => {
    const asked = last.then(() => patiently<T>(text, values));
    last = asked.catch(() => undefined);
    return asked;
  };
  let looking: Promise<Map<number, number[]>> | null = null;
  const look = async () => {
    await sleep(POLL_MS);
    const waiting = new Map<number, number[]>();
    const found = await ask<{ hold: string; pids: number[] }>(
      `select objid::bigint as hold, array_agg(pid) as pids from pg_locks
       where locktype = 'advisory' and classid = ${LOCK_CLASS} and not granted group by 1`,
    );
    for (const { hold, pids } of found) waiting.set(Number(hold), pids);
    return waiting;
  };
  return {
    hold: async (number, runId, point) => {
      await ask("select pg_advisory_lock($1, $2)", [LOCK_CLASS, number]);
      held.add(number);
      await ask("insert into faults.points values ($1, $2, $3) on conflict (run_id) do nothing", [
        runId,
        point,
        number,
      ]);
    },
    waiting: async (number) => {
      looking ??= look().finally(() => (looking = null));
      return (await looking).get(number) ?? [];
    },
    release: async (number) => {
      held.delete(number);
      await ask("delete from faults.points where hold = $1", [number]);
      await ask(
        "select pg_advisory_unlock(classid::int, objid::int) from pg_locks where locktype = 'advisory' and classid = $1 and objid = $2 and granted and mode = 'ExclusiveLock' and pid = pg_backend_pid()",
        [LOCK_CLASS, number],
      );
    },
    close: () => client.end(),
  };
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
