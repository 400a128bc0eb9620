import type { Lane } from "./life-stage.ts";

/** What a run's own events are called; all others are of the service. */
export const ACTION = "LIFE";
const HELD_USER = "witness";
/** So many months before this one. */
const HELD_MONTH = 91;

export interface Variant {
  /** Which side of a month that is partly archived is the smaller one, and goes over to the other first. */
  merge: "to_hot" | "to_archive";
}
export const variants: Variant[] = [{ merge: "to_hot" }, { merge: "to_archive" }];

/** What a run stored before it began; `written` grows with what is written meanwhile. */
export interface Stored {
  /** event_id of every event that is stored. */
  written: Set<string>;
  /** Those of the month that a hold keeps from being purged. */
  underHold: Set<string>;
  /** Of an archived event in a month that becomes cold: brought back, it comes late. */
  late: string;
  /** Of a hot event that may be pinned while its month moves. */
  pinnable: string;
}

/** Days in hot storage, the archive and cold files, of workspaces that are not as by default; `strict` is in compliance mode. */
const policies: [string, number, number, number, boolean][] = [
  ["strict", 90, 365, 2_555, true],
  ["long", 3_000, 4_000, 5_000, false],
];

type Side = "hot" | "archive";

/** Events of months so many before this one, by workspace: in the order of time, as they are to be stored. */
const months = ({ merge }: Variant): [number, Side, Record<string, number>][] => [
  // Past every retention: one is to be kept by a hold on whoever did something in it, one to be purged.
  [HELD_MONTH, "hot", { plain: 15, held: 5 }],
  [90, "hot", { plain: 15, strict: 15 }],
  [15, "hot", { plain: 30, strict: 10 }],
  [14, "archive", { plain: 10 }],
  [14, "hot", { plain: 30, strict: 15 }],
  [7, "archive", { plain: merge === "to_hot" ? 8 : 25 }],
  [7, "hot", { plain: merge === "to_hot" ? 25 : 8 }],
  [6, "hot", { plain: 40, strict: 20 }],
  // Held up by a workspace that keeps for long: the others' rows go alone.
  [5, "hot", { plain: 30, strict: 10, long: 5 }],
];

/** Empties the lane and stores the events of a run as of long ago. */
export async function storeLives(lane: Lane, run: string, variant: Variant): Promise<Stored> {
  await lane.sql(EMPTY);
  for (const [kind, ...policy] of policies) {
    await lane.sql(
      `insert into audit.audit_retention_policies (workspace_id, hot_retention_days, warm_archive_days, cold_retention_days, is_compliance_mode)
       values ($1, $2, $3, $4, $5)`,
      [`${run}-${kind}`, ...policy],
    );
  }
  await lane.sql(
    "insert into audit.legal_holds (workspace_id, subject_user_id, reason, placed_by_user_id) values ($1, $2, 'a case', 'counsel')",
    [`${run}-held`, HELD_USER],
  );
  const stored: { ago: number; side: Side; id: string; eventId: string }[] = [];
  for (const [ago, side, counts] of months(variant)) {
    await lane.sql(ADD_MONTH, [ago]);
    for (const [kind, count] of Object.entries(counts)) {
      const found = await lane.sql(STORE[side], [
        run,
        kind,
        ago,
        count,
        kind === "held" ? HELD_USER : "user",
      ]);
      stored.push(
        ...found.map(({ id, event_id }) => ({ ago, side, id: id as string, eventId: event_id as string })),
      );
    }
  }
  const first = (ago: number, side: Side) =>
    stored.find((one) => one.ago === ago && one.side === side)?.id as string;
  return {
    written: new Set(stored.map(({ eventId }) => eventId)),
    underHold: new Set(stored.filter(({ ago }) => ago === HELD_MONTH).map(({ eventId }) => eventId)),
    late: first(14, "archive"),
    pinnable: first(6, "hot"),
  };
}

const START = "date_trunc('month', now() at time zone 'UTC') - make_interval(months => $MONTH::int)";
const ADD_MONTH = `select audit.add_month_partition('audit_events', (${START.replace("$MONTH", "$1")})::date)`;
const storeIn = (table: string) => `
  insert into audit.${table} (
    id, created_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id, new_values
  )
  select
    audit.uuid_v7(), (${START.replace("$MONTH", "$3")} + make_interval(hours => 5 * n)) at time zone 'UTC',
    format('%s %s %s ${table} %s', $1::text, $2::text, $3::int, n), format('%s-%s', $1::text, $2::text), $5, '${ACTION}',
    'thing', 't-' || n % 5, jsonb_build_object('n', n)
  from generate_series(1, $4::int) n
  returning id::text, event_id`;
const STORE: Record<Side, string> = {
  hot: storeIn("audit_events"),
  archive: storeIn("audit_events_archive"),
};

/** As after the first migration; the guards let nobody else do this. */
const EMPTY = `
  do $$
  declare
    v_month record;
  begin
    set local session_replication_role = replica;
    truncate audit.audit_events, audit.audit_events_archive, audit.audit_event_keys, audit.audit_archive_pins,
      audit.audit_retention_policies, audit.legal_holds, audit.audit_deletion_log, audit.cold_months, audit.purges,
      audit.alerts cascade;
    for v_month in
      select * from audit.month_partitions() m
      where m.table_name in ('audit_events', 'audit_events_archive') and m.month_start < now() - interval '3 months'
    loop
      execute format('drop table audit.%I', v_month.partition_name);
    end loop;
  end $$`;
