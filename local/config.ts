import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { defineConfig, type Config } from "../lib/config.ts";

const moduleSchema = z.object({ default: z.custom<Parameters<typeof defineConfig>[0]>() });

/**
 * The configuration in a file, in place of `afterimage.config.ts`: what `--config` gave, or else what AFTERIMAGE_CONFIG
 * names; undefined without either. Only a stack on this machine reads that variable: a deployment has its configuration in
 * its bundle. Throws an Error that says who named the file, and what is wrong with it.
 */
export async function localConfig(given?: string): Promise<Config | undefined> {
  const file = given ?? process.env.AFTERIMAGE_CONFIG;
  if (!file) return undefined;
  const named = `${given === undefined ? "AFTERIMAGE_CONFIG" : "--config"} names ${file}`;
  const absolute = path.resolve(file);
  if (!fs.existsSync(absolute))
    throw new Error(`${named}, and there is no such file (from ${process.cwd()}).`);
  const loaded: unknown = await import(pathToFileURL(absolute).href).catch((cause: unknown) => {
    throw new Error(`${named}, which cannot be loaded: ${String(cause)}`, { cause });
  });
  return defineConfig(moduleSchema.parse(loaded).default);
}
