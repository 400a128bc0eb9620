import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import pg from "pg";
import { freePort } from "../../local/ports.ts";
import type { DevFile } from "../../local/dev-file.ts";
import { startStack } from "../../local/stack.ts";
import { startKaraoke, type Karaoke } from "./app.ts";

const STACK_PORT = 3_000;
const KARAOKE_PORT = 4_310;
const TABLES = ["customer_profiles", "venues", "singers", "song_requests"];
const SECRET_BYTES = 32;

export interface Stage {
  dev: DevFile;
  karaoke: Karaoke;
}

/**
 * The local stack with the example's configuration, its tables filled and tracked, and the example's server beside it, for
 * as long as `work` takes. Throws an Error when a stack runs on the folder already.
 */
export async function withKaraoke(dataDir: string, work: (stage: Stage) => Promise<void>): Promise<void> {
  const port = await freePort(KARAOKE_PORT);
  const secret = `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
  // The parts of the stack take these from this process.
  process.env.AFTERIMAGE_CONFIG = path.join(import.meta.dirname, "afterimage.config.ts");
  process.env.KARAOKE_URL = `http://127.0.0.1:${port}`;
  process.env.KARAOKE_JOBS_SECRET = secret;
  const stack = await startStack({
    dataDir: path.resolve(dataDir),
    port: STACK_PORT,
    inngest: true,
    say: (line) => console.log(line),
  });
  let karaoke: Karaoke | undefined;
  const stop = async () => {
    await karaoke?.stop();
    await stack.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      console.log("Stopping …");
      void stop().finally(() => process.exit(130));
    });
  try {
    await makeTables(stack.dev.ownerDatabaseUrl ?? "");
    karaoke = await startKaraoke({ dev: stack.dev, port, secret });
    await work({ dev: stack.dev, karaoke });
  } finally {
    await stop();
  }
}

/** What `npx afterimage track` does, for a start: tables anew, tracked before their first row. */
async function makeTables(ownerUrl: string): Promise<void> {
  const sql = (file: string) => fs.readFileSync(path.join(import.meta.dirname, file), "utf8");
  const db = new pg.Client({ connectionString: ownerUrl });
  await db.connect();
  try {
    await db.query(sql("schema.sql"));
    for (const table of TABLES) await db.query("select audit.track($1::regclass)", [`public.${table}`]);
    await db.query(sql("data.sql"));
  } finally {
    await db.end();
  }
}
