import { execFile } from "node:child_process";
import path from "node:path";
import type { TestDatabase } from "./database.ts";

const root = path.resolve(import.meta.dirname, "../..");

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `npx afterimage` as an operator would, on a test file's database unless told otherwise. */
export type Afterimage = (args: string[], env?: Record<string, string>) => Promise<Outcome>;

export const cliOn =
  (db: TestDatabase): Afterimage =>
  (args, env = {}) => {
    const urls = {
      DATABASE_URL: db.url("app"),
      WORKER_DATABASE_URL: db.url("worker"),
      MIGRATE_DATABASE_URL: db.url("admin"),
    };
    return new Promise((resolve) => {
      const options = { cwd: root, env: { ...process.env, ...urls, ...env } };
      execFile(process.execPath, ["cli/afterimage.js", ...args], options, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      });
    });
  };
