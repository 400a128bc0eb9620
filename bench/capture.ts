import fs from "node:fs";
import { Backend } from "./support/backend.ts";
import type { Finding, Measure, Run, Target } from "./support/measure.ts";
import { median } from "./support/statistics.ts";

const BYTES_PER_MB = 1_048_576;
const TABLE = `
  create table public.customers (
    id int primary key, name text not null, email text, plan text, data jsonb, note text,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now()
  )`;
const ROWS = (from: number, to: number) => `
  insert into public.customers (id, name, email, plan, data, note)
  select n, 'name ' || n, 'user' || n || '@example.com', 'free',
    jsonb_build_object('a', n, 'b', repeat('x', 60), 'c', array[1, 2, 3]), repeat('lorem ipsum ', 8)
  from generate_series(${from}, ${to}) n`;

/** Statements that only CREATE EXTENSION may run. */
const EXTENSION_ONLY = /^select\s+pg_catalog\.pg_extension_config_dump\([^;]*;/gim;

type SideName = "plain" | "ours" | "supa_audit";

interface Side {
  name: SideName;
  backend: Backend;
}

interface Work {
  name: string;
  /** Of ours to a table without a trigger, and of supa_audit to ours. */
  targets: { plain?: Target; supaAudit?: Target };
  /** Writes; what it does outside of `time` is not counted. Answers how many rows it wrote. */
  run(backend: Backend, time: (work: () => Promise<unknown>) => Promise<void>): Promise<number>;
}

/** What it costs to have a table's changes recorded, as CPU of the backend that writes. */
export const capture: Measure = {
  name: "capture",
  title: "Recording row changes",
  run: async (run) => {
    const sides = await openSides(run);
    try {
      const costs = await measureAll(run, sides, works(run));
      const findings = works(run).flatMap((work) => toFindings(work, costs));
      findings.push(await bytesOfUpdate(run, sides), await memoryOfUpdate(run, sides));
      return {
        findings,
        notes: [
          "CPU of the backend, in µs a row; a table of eight columns (integer key, four texts, together 0.15 KB, jsonb of 0.1 KB, two times), `email` redacted. Reference: the same statement on the same table without a trigger; where a line says supa_audit, the reference is ours, and the ratio says how many times dearer supa_audit is, the statement itself included, or without it (what recording adds).",
          "One transaction: a statement of the client for each row between one `begin` and one `commit`, sent as `pg` and Drizzle send them, parsed and planned each time; the line below has them prepared under a name. The line with plpgsql does the same in a loop on the server, where an UPDATE without a trigger costs so little that starting any trigger shows; it has no target. DELETE: rows stored just before, a CHECKPOINT between. Bytes: at most 750 are the target.",
        ],
      };
    } finally {
      for (const { backend } of sides) await backend.close();
    }
  },
};

async function openSides({ stage, supaAudit }: Run): Promise<Side[]> {
  const open = async (name: SideName, prepare: (backend: Backend) => Promise<unknown>): Promise<Side> => {
    const database = await stage.database(`bench_capture_${name}`, { fresh: true });
    const backend = await Backend.open(database.superuserUrl);
    await backend.query(TABLE);
    await prepare(backend);
    await backend.query(ROWS(1, 20_000));
    await backend.query("vacuum analyze public.customers");
    return { name, backend };
  };
  return [
    await open("plain", async () => undefined),
    await open("ours", (backend) =>
      backend.query("select audit.track('public.customers', redact => '{email}')"),
    ),
    ...(supaAudit === undefined
      ? []
      : [
          await open("supa_audit", async (backend) => {
            // It lives in a schema of the same name.
            await backend.query('drop schema audit cascade; create extension if not exists "uuid-ossp"');
            await backend.query(fs.readFileSync(supaAudit, "utf8").replaceAll(EXTENSION_ONLY, ""));
            await backend.query("select audit.enable_tracking('public.customers'::regclass)");
          }),
        ]),
  ];
}

function works({ sizes }: Run): Work[] {
  const { singles, bulk } = sizes.capture;
  const updateEach = async (backend: Backend, statement?: string) => {
    for (let i = 1; i <= singles; i++)
      await backend.execute(
        "update public.customers set name = $1 where id = $2",
        [`name ${Math.random()}`, i],
        statement,
      );
  };
  const inTransaction =
    (statement?: string): Work["run"] =>
    async (backend, time) => {
      await backend.query("begin");
      await time(() => updateEach(backend, statement));
      await backend.query("commit");
      return singles;
    };
  return [
    {
      name: "UPDATE of a row, autocommit",
      targets: { plain: { atMost: 3 }, supaAudit: { atLeast: 2 } },
      run: async (backend, time) => {
        await time(() => updateEach(backend));
        return singles;
      },
    },
    {
      name: "UPDATEs of a row in one transaction",
      targets: { plain: { atMost: 3.5 }, supaAudit: { atLeast: 2 } },
      run: inTransaction(),
    },
    { name: "the same, prepared once", targets: {}, run: inTransaction("update") },
    {
      name: "the same, a loop of plpgsql",
      targets: {},
      run: async (backend, time) => {
        await time(() =>
          backend.query(`
            do $$ begin
              for i in 1..${singles} loop
                update public.customers set name = 'x' || random() where id = i;
              end loop;
            end $$`),
        );
        return singles;
      },
    },
    {
      name: `UPDATE of ${bulk.toLocaleString("en")} rows`,
      targets: { plain: { atMost: 8 }, supaAudit: { atLeast: 4 } },
      run: async (backend, time) => {
        await time(() => backend.query(`update public.customers set name = name || 'y' where id <= ${bulk}`));
        await backend.query("vacuum public.customers");
        return bulk;
      },
    },
    {
      name: `DELETE of ${bulk.toLocaleString("en")} rows`,
      targets: { plain: { atMost: 10 }, supaAudit: { atLeast: 5 } },
      run: async (backend, time) => {
        await backend.query("alter table public.customers disable trigger user");
        await backend.query(ROWS(1_000_001, 1_000_000 + bulk));
        await backend.query("alter table public.customers enable trigger user");
        await backend.query("checkpoint");
        await time(() => backend.query("delete from public.customers where id > 1000000"));
        await backend.query("vacuum public.customers");
        return bulk;
      },
    },
  ];
}

/** µs a row, one number a round, by work and side. */
type Costs = Map<string, Map<SideName, number[]>>;

async function measureAll({ stage, rounds }: Run, sides: Side[], all: Work[]): Promise<Costs> {
  const costs: Costs = new Map(all.map(({ name }) => [name, new Map(sides.map((side) => [side.name, []]))]));
  for (let round = 0; round <= rounds; round++) {
    for (const work of all)
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        let us = 0;
        const written = await work.run(side.backend, async (what) => {
          us += await side.backend.cpuUs(what);
        });
        // The first round warms up.
        if (round > 0)
          costs
            .get(work.name)
            ?.get(side.name)
            ?.push(us / written);
      }
    stage.say(round === 0 ? "  warm" : `  round ${round} of ${rounds}`);
  }
  return costs;
}

function toFindings({ name, targets }: Work, costs: Costs): Finding[] {
  const of = (side: SideName) => costs.get(name)?.get(side) ?? [];
  const text = (side: SideName) => `${median(of(side)).toFixed(1)} µs`;
  const ratios = (over: SideName, under: SideName) =>
    of(over).map((us, round) => us / (of(under)[round] ?? Number.NaN));
  const added = (side: SideName) => median(of(side)) - median(of("plain"));
  const ours: Finding = {
    measure: name,
    reference: text("plain"),
    ours: text("ours"),
    ratios: ratios("ours", "plain"),
  };
  const findings = [targets.plain === undefined ? ours : { ...ours, target: targets.plain }];
  if (of("supa_audit").length > 0) {
    const theirs: Finding = {
      measure: `${name}: supa_audit`,
      reference: text("ours"),
      ours: text("supa_audit"),
      ratios: ratios("supa_audit", "ours"),
    };
    findings.push(targets.supaAudit === undefined ? theirs : { ...theirs, target: targets.supaAudit });
    findings.push({
      measure: `${name}: what recording adds, supa_audit`,
      reference: `${added("ours").toFixed(1)} µs`,
      ours: `${added("supa_audit").toFixed(1)} µs`,
      ratios: [added("supa_audit") / added("ours")],
    });
  }
  return findings;
}

const STORE: Partial<Record<SideName, string>> = {
  ours: "select sum(pg_total_relation_size(relid))::text as value from pg_partition_tree('audit.audit_logs')",
  supa_audit: "select pg_total_relation_size('audit.record_version')::text as value",
};

/** Stored bytes, indexes included, of an UPDATE of one column. */
async function bytesOfUpdate({ sizes }: Run, sides: Side[]): Promise<Finding> {
  const { bulk } = sizes.capture;
  const bytes = new Map<SideName, number>();
  for (const { name, backend } of sides) {
    const store = STORE[name];
    if (store === undefined) continue;
    const before = Number(await backend.value<string>(store));
    await backend.query(`update public.customers set plan = 'paid' where id <= ${bulk}`);
    bytes.set(name, (Number(await backend.value<string>(store)) - before) / bulk);
  }
  const text = (name: SideName) => (bytes.has(name) ? `${Math.round(bytes.get(name) ?? 0)} B` : "");
  return {
    measure: "stored bytes of an UPDATE of one column, with indexes (reference: supa_audit)",
    reference: text("supa_audit"),
    ours: text("ours"),
    ratios: [],
  };
}

/** Memory of one large UPDATE: it must not grow with the rows. */
async function memoryOfUpdate({ stage, sizes }: Run, sides: Side[]): Promise<Finding> {
  const rows = sizes.capture.memoryRows;
  const peaks = new Map<SideName, number>();
  for (const name of ["plain", "ours"] as const) {
    const side = sides.find((one) => one.name === name);
    if (side === undefined) continue;
    await side.backend.query("alter table public.customers disable trigger user");
    await side.backend.query(ROWS(2_000_001, 2_000_000 + rows));
    await side.backend.query("alter table public.customers enable trigger user");
    const database = await stage.database(`bench_capture_${name}`, { fresh: false });
    const backend = await Backend.open(database.superuserUrl);
    const peak = await backend.peakBytes(() =>
      backend.query("update public.customers set name = name || 'z' where id > 2000000"),
    );
    await backend.close();
    peaks.set(name, peak);
  }
  const mb = (name: SideName) => (peaks.get(name) ?? Number.NaN) / BYTES_PER_MB;
  return {
    measure: `memory of an UPDATE of ${rows.toLocaleString("en")} rows`,
    reference: `${mb("plain").toFixed(0)} MB`,
    ours: `${mb("ours").toFixed(0)} MB`,
    ratios: [mb("ours") / mb("plain")],
  };
}
