import path from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { defineConfig, type Config } from "../lib/config.ts";

const moduleSchema = z.object({ default: z.custom<Parameters<typeof defineConfig>[0]>() });

/**
 * The configuration that AFTERIMAGE_CONFIG names, in place of `afterimage.config.ts`; undefined without it. Only a stack
 * on this machine reads that variable: a deployment has its configuration in its bundle.
 */
export async function localConfig(file = process.env.AFTERIMAGE_CONFIG): Promise<Config | undefined> {
  if (!file) return undefined;
  const loaded: unknown = await import(pathToFileURL(path.resolve(file)).href).catch((cause: unknown) => {
    throw new Error(`AFTERIMAGE_CONFIG names ${file}, which cannot be loaded: ${String(cause)}`, { cause });
  });
  return defineConfig(moduleSchema.parse(loaded).default);
}
