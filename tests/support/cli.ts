import { build, type Plugin } from "esbuild";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { TestDatabase } from "./database.ts";

const root = path.resolve(import.meta.dirname, "../..");
/** What `npx afterimage` runs. */
const INSTALLED = path.join(root, "cli/afterimage.js");

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs `afterimage` as a process, as an operator would, on a test file's database unless told otherwise; `life` ends it
 * with SIGKILL.
 */
export type Afterimage = (
  args: string[],
  env?: Record<string, string>,
  life?: AbortSignal,
) => Promise<Outcome>;

/** The program that `npx afterimage` runs, in one file: Node loads it in a fifth of the time of its modules. */
export function useCli(db: TestDatabase): Afterimage {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-cli-"));
  const program = path.join(folder, "afterimage.mjs");
  beforeAll(() => bundleCli(program));
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
  return runner(db, program);
}

/** The very file that `npx afterimage` runs, which loads module after module: a second of processor time for each call. */
export const installedCli = (db: TestDatabase): Afterimage => runner(db, INSTALLED);

const runner =
  (db: TestDatabase, program: string): Afterimage =>
  (args, env = {}, life) => {
    const urls = {
      DATABASE_URL: db.url("app"),
      WORKER_DATABASE_URL: db.url("worker"),
      MIGRATE_DATABASE_URL: db.url("admin"),
    };
    return new Promise((resolve) => {
      const options = { cwd: root, env: { ...process.env, ...urls, ...env }, ...killedBy(life) };
      execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      });
    });
  };

const killedBy = (signal?: AbortSignal) => (signal ? { signal, killSignal: "SIGKILL" as const } : {});

/** Writes the program into one file, which runs from anywhere. */
export async function bundleCli(outfile: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ["cli/main.ts"],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    // Packages in CommonJS call require, which an ES module has to make for itself.
    banner: {
      js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
    },
    external: ["pg-native"],
    plugins: [ownFolders],
    logLevel: "warning",
  });
}

/** Our modules read files that lie beside them, wherever the bundle lies. */
const ownFolders: Plugin = {
  name: "own folders",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.ts$/ }, ({ path: file }) => ({
      loader: "ts",
      contents: fs
        .readFileSync(file, "utf8")
        .replaceAll("import.meta.dirname", JSON.stringify(path.dirname(file))),
    }));
  },
};
