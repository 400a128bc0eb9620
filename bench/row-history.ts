import type { Finding, Measure } from "./support/measure.ts";
import { HttpClient, type ReadyRequest } from "./support/http-client.ts";
import type { BenchDatabase, Stage } from "./support/stage.ts";
import { median } from "./support/statistics.ts";

const RATIO_MAX = 1.3;
/** Changes of each row: what a page of its history shows. */
const CHANGES = 20;
const WARM_UP = 20;
const TARGETS = 200;

/** The history of a row, and the row as of a time, in a small history and a large one, turn by turn. */
export const rowHistory: Measure = {
  name: "row-history",
  title: "Row history",
  run: async ({ stage, sizes, rounds }) => {
    const [few, many] = sizes.historyRows;
    const sides = [await openSide(stage, few), await openSide(stage, many)] as const;
    const findings: Finding[] = [];
    for (const [name, pathOf] of Object.entries(READS)) {
      const medians = sides.map(() => [] as number[]);
      for (let round = 0; round <= rounds; round++) {
        for (const [i, side] of sides.entries()) {
          const ms = await timeReads(side, pathOf, round === 0 ? WARM_UP : sizes.reads);
          if (round > 0) medians[i]?.push(median(ms));
        }
      }
      const [small = [], large = []] = medians;
      findings.push({
        measure: name,
        reference: `${median(small).toFixed(2)} ms`,
        ours: `${median(large).toFixed(2)} ms`,
        ratios: large.map((ms, i) => ms / (small[i] as number)),
        target: { atMost: RATIO_MAX },
      });
    }
    for (const { client } of sides) await client.close();
    await stage.stopApis();
    return {
      findings,
      notes: [
        `Reference: ${few.toLocaleString("en")} entries; ours: ${many.toLocaleString("en")}, ${CHANGES} a row, over a year of months. One request at a time, by turns from the one and the other; medians as the client sees them.`,
      ],
    };
  },
};

const READS: Record<string, (record: number) => string> = {
  "a row's history": (record) => `/api/history/public.things/${record}?limit=${CHANGES}`,
  "a row as of a time": (record) =>
    `/api/history/public.things/${record}/at?time=${encodeURIComponent(new Date(Date.now() - 60_000).toISOString())}`,
};

const WHEN = `now() - interval '1 year' + (interval '1 year' / ${CHANGES}) * $1::int + make_interval(secs => n * 1e-3)`;
const COLUMNS =
  "created_at, table_schema, table_name, record_id, action, old_values, new_values, changed_fields, user_id";
const image = (quantity: string) =>
  `jsonb_build_object('id', n, 'name', 'Thing ' || n, 'note', repeat('x', 200), 'qty', ${quantity})`;
const INSERTED = `
  insert into audit.audit_logs (${COLUMNS})
  select ${WHEN}, 'public', 'things', n::text, 'INSERT', null, ${image("0")}, null, 'user-1' from generate_series(1, $2::int) n`;
const UPDATED = `
  insert into audit.audit_logs (${COLUMNS})
  select ${WHEN}, 'public', 'things', n::text, 'UPDATE', ${image("$1::int - 1")}, jsonb_build_object('qty', $1::int), array['qty'],
    'user-' || n % 50
  from generate_series(1, $2::int) n`;

interface Side {
  client: HttpClient;
  records: number[];
}

async function openSide(stage: Stage, entries: number): Promise<Side> {
  const name = `bench_history_${entries}`;
  const database = await stage.database(name, { fresh: false });
  await fill(database, entries, stage.say);
  const rows = entries / CHANGES;
  const records = Array.from({ length: TARGETS }, (_, i) => 1 + Math.floor((i * rows) / TARGETS));
  return { client: new HttpClient(await stage.api(database, "pg"), 1), records };
}

/** Entries as the trigger writes them, dated over the year behind and in the order of their ids. */
async function fill(database: BenchDatabase, entries: number, say: (line: string) => void): Promise<void> {
  const [{ count } = { count: 0 }] = await database.query<{ count: number }>(
    "select count(*)::int as count from audit.audit_logs where table_name = 'things'",
  );
  if (count >= entries) return;
  if (count > 0) throw new Error(`${database.name} is half filled: drop it, and run again`);
  say(`  filling ${database.name} with ${entries.toLocaleString("en")} entries …`);
  await database.query(
    "create table if not exists things (id bigint primary key, name text, note text, qty int)",
  );
  await database.query("select audit.track('things')");
  // Long tracked: the history begins with its first entry.
  await database.query("update audit.tracked_tables set tracked_at = now() - interval '13 months'");
  await database.query("select audit.create_monthly_audit_partition(3)");
  for (let month = 12; month >= 1; month--) {
    await database.query(
      "select audit.add_month_partition('audit_logs', (date_trunc('month', now()) - make_interval(months => $1))::date)",
      [month],
    );
  }
  for (let change = 0; change < CHANGES; change++) {
    await database.query(change === 0 ? INSERTED : UPDATED, [change, entries / CHANGES]);
  }
  await database.query("vacuum analyze audit.audit_logs");
}

async function timeReads(
  { client, records }: Side,
  pathOf: (record: number) => string,
  count: number,
): Promise<number[]> {
  const ms: number[] = [];
  for (let i = 0; i < count; i++) {
    const request: ReadyRequest = { method: "GET", path: pathOf(records[i % records.length] as number) };
    const started = performance.now();
    await client.send(request);
    ms.push(performance.now() - started);
  }
  return ms;
}
