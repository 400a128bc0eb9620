import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { LOCK_CLASS, POINTS, SUITE } from "./life-points.ts";

const POLL_MS = 25;

/** How the storage fails, besides that nothing is wrong: it is away, or it changes, halves or loses what is stored in it. */
export type StorageMode = "away" | "flip" | "halve" | "lose";

/** A server process that waits at the point; `isSuite` when it speaks for the storage. */
export interface Held {
  pid: number;
  isSuite: boolean;
}

/** Holds one run of a lane at one point. */
export interface Pauses {
  /** Begins a run that is held at a point, or that notes the points that it passes. */
  begin(point: string | null): Promise<void>;
  /** Says what the run does now; points are named after it. */
  enter(phase: string): Promise<void>;
  /** Resolves when the run is at its point, or with none once `isOver`. */
  held(isOver: () => boolean): Promise<Held[]>;
  release(): Promise<void>;
  setStorage(mode: StorageMode | null): Promise<void>;
  /** The points that a run passed, in their order. */
  passed(): Promise<string[]>;
  close(): Promise<void>;
}

/** `url` is a superuser's, of a database that holds the service's tables and the engine's. */
export async function openPauses(url: string): Promise<Pauses> {
  const client = new pg.Client({ connectionString: url, application_name: SUITE });
  await client.connect();
  await client.query(POINTS);
  const release = async () => {
    await client.query("update faults.plan set point = ''");
    await client.query("select pg_advisory_unlock_all()");
  };
  return {
    begin: async (point) => {
      await client.query("truncate faults.plan, faults.passed, faults.storage");
      if (point !== null) await client.query("select pg_advisory_lock($1, 0)", [LOCK_CLASS]);
      await client.query("insert into faults.plan values ('begin', $1)", [point]);
    },
    enter: async (phase) => void (await client.query("update faults.plan set phase = $1", [phase])),
    held: async (isOver) => {
      for (;;) {
        const { rows } = await client.query<Held>(
          `select l.pid, a.application_name = $2 as "isSuite"
           from pg_locks l join pg_stat_activity a on a.pid = l.pid
           where l.locktype = 'advisory' and l.classid = $1 and not l.granted and a.datname = current_database()`,
          [LOCK_CLASS, SUITE],
        );
        if (rows.length > 0 || isOver()) return rows;
        await sleep(POLL_MS);
      }
    },
    release,
    setStorage: async (mode) => {
      await client.query("truncate faults.storage");
      if (mode !== null) await client.query("insert into faults.storage values ($1)", [mode]);
    },
    passed: async () => {
      const { rows } = await client.query<{ point: string }>(
        "select point from faults.passed group by point order by min(number)",
      );
      return rows.map(({ point }) => point);
    },
    close: () => client.end(),
  };
}
