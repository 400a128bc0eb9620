import { build } from "esbuild";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const ROOT = path.resolve(import.meta.dirname, "../..");
const POOL_MAX = 12;
const RETRY_MS = 50;
const REGISTERED_TIMEOUT_MS = 30_000;

const DEADLOCK = "40P01";

/** Rows of a statement; tried again while Postgres is away, and after a deadlock. */
export type Ask = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** Function host and engine. */
export async function bundle(folder: string, hostScript: string): Promise<void> {
  await bundleScripts(folder, { host: hostScript, engine: "local/inngest/main.ts" });
  fs.copyFileSync(path.join(ROOT, "local/inngest/schema.sql"), path.join(folder, "schema.sql"));
}

/** Each script as one file, `<name>.mjs`: that starts several times as fast, and they start often. */
export async function bundleScripts(folder: string, scripts: Record<string, string>): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: scripts,
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    banner: {
      js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
    },
    external: ["pg-native"],
    logLevel: "warning",
  });
}

export function asker(connectionString: string, max = POOL_MAX): { ask: Ask; close(): Promise<void> } {
  const pool = new pg.Pool({ connectionString, max });
  pool.on("error", () => undefined);
  const ask: Ask = async (text, values) => {
    for (;;) {
      try {
        const result = await pool.query<Record<string, unknown>>(text, values);
        return result.rows;
      } catch (error) {
        if (error instanceof pg.DatabaseError && error.severity === "ERROR" && error.code !== DEADLOCK)
          throw error;
        await sleep(RETRY_MS);
      }
    }
  };
  return { ask, close: () => pool.end() };
}

/** Waits until the engine knows the host's workflows: what is sent before starts none. */
export async function registered(engineUrl: string): Promise<void> {
  const deadline = Date.now() + REGISTERED_TIMEOUT_MS;
  for (;;) {
    const { functions } = (await (await fetch(`${engineUrl}/dev`)).json()) as { functions: unknown[] };
    if (functions.length > 0) return;
    if (Date.now() > deadline) throw new Error("The function host did not register");
    await sleep(RETRY_MS);
  }
}
