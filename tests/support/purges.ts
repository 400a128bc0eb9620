import type { TestDatabase } from "./database.ts";

/** A purge that the schedule proposed and that waits for a decision, of a file that is not there; answers its id. */
export async function proposePurge(db: TestDatabase, expiresIn = "30 days"): Promise<string> {
  const [row] = await db.rows<{ id: string }>(
    "superuser",
    `insert into audit.purges (status, files, summary, expires_at)
     values ('awaiting_approval', array[gen_random_uuid()],
       '{"files":1,"events":1,"bytes":1,"firstMonth":"2019-01","lastMonth":"2019-01","complianceWorkspaces":[]}',
       now() + $1::interval)
     returning id::text`,
    [expiresIn],
  );
  return row?.id as string;
}
