import { glob, NodejsLambda, streamToBuffer, type BuildV3 } from "@vercel/build-utils";
import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { bundleFunctions } from "../../build.config.ts";

const root = path.resolve(import.meta.dirname, "../..");
const START_TIMEOUT_MS = 15_000;

// The package declares its types for functions, not for builds.
const { build } = createRequire(import.meta.url)("@vercel/node") as { build: BuildV3 };

export interface BuiltFunction {
  /** The file that the platform imports. */
  handler: string;
  /** Relative paths of all files of the function. */
  files: string[];
  bytes: number;
}

/** The files under api/ that Vercel makes functions of: all but those with a part that begins with `_` or `.`. */
export function deployedFiles(): string[] {
  return fs
    .readdirSync(path.join(root, "api"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => !/(^|\/)[_.]/.test(file))
    .sort();
}

/**
 * What is in the checkout when Vercel builds the functions, its own build command having run, but without
 * node_modules: nothing that a bundle lacks can be found by accident.
 */
export async function layOutCheckout(folder: string): Promise<void> {
  for (const file of ["package.json", ...deployedFiles()]) {
    fs.cpSync(path.join(root, file), path.join(folder, file));
  }
  await bundleFunctions(path.join(folder, "dist"));
}

/** Builds one function with Vercel's builder and writes its files below `target`. */
export async function buildFunction(
  checkout: string,
  entrypoint: string,
  target: string,
): Promise<BuiltFunction> {
  // As on Vercel, where the install step comes first; without it the builder installs by itself.
  process.env.VERCEL_INSTALL_COMPLETED = "1";
  const { output } = await build({
    files: await glob("**", checkout),
    entrypoint,
    workPath: checkout,
    repoRootPath: checkout,
    config: { zeroConfig: true },
    meta: { skipDownload: true },
  });
  if (!(output instanceof NodejsLambda)) throw new Error(`${entrypoint} is not a Node function`);
  let bytes = 0;
  for (const [name, file] of Object.entries(output.files ?? {})) {
    const to = path.join(target, name);
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.writeFileSync(to, await streamToBuffer(file.toStream()));
    bytes += fs.statSync(to).size;
  }
  return {
    handler: path.join(target, output.handler),
    files: Object.keys(output.files ?? {}).sort(),
    bytes,
  };
}

const startedLine = z.object({ url: z.string(), importMs: z.number() });

/** Starts a plain Node process, with no more environment than given, that answers by the built function. */
export async function serveFunction(
  handler: string,
  env: Record<string, string>,
): Promise<{ url: string; importMs: number; child: ChildProcess }> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "serve.js"), handler], {
    env: { PATH: process.env.PATH, ...env },
    cwd: path.dirname(handler),
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 10 * START_TIMEOUT_MS,
  });
  const lines = createInterface({ input: child.stdout, signal: AbortSignal.timeout(START_TIMEOUT_MS) });
  for await (const line of lines) return { ...startedLine.parse(JSON.parse(line)), child };
  child.kill("SIGKILL");
  throw new Error(`${handler} did not start`);
}
