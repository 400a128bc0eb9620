import { defineConfig, type Config } from "../../lib/config.ts";

/** What a restore of one of the suite's rows enqueues at the workflow engine. */
export const OWNER_CHANGED = "faults/owner.changed";
/** Runs of the suite that go on side by side have tables in schemas of their own. */
export const schemaOf = (lane: number) => `lane_${lane}`;

/** Keys and jobs carry the run's name, which is in every row: so each effect can be told from those of other runs. */
export function laneConfig(lanes: number, jobsUrl: string): Config {
  const tables = Array.from({ length: lanes }, (_, lane) => [
    [
      `${schemaOf(lane)}.owners`,
      {
        cache: ["owner:{run}:{id}", "list:{run}:{id}:*"],
        jobs: [{ event: OWNER_CHANGED, data: { run: "{run}", owner: "{id}" } }],
      },
    ],
    [
      `${schemaOf(lane)}.venues`,
      {
        cache: ["venue:{run}:{id}"],
        jobs: [
          {
            url: jobsUrl,
            secretEnv: "FAULTS_JOB_SECRET",
            data: { run: "{run}", owner: "{owner_id}" },
            key: "{owner_id}",
            allowPrivate: true,
          },
        ],
      },
    ],
  ]);
  return defineConfig({ tables: Object.fromEntries(tables.flat()) });
}
