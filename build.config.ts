import { build } from "esbuild";
import { rmSync } from "node:fs";
import path from "node:path";

/**
 * Bundles both functions, with everything that they import, into `outDir`: index.js, inngest.js and what they share or
 * load only when they need it. Node takes several times as long to load the same code as a thousand modules
 * (docs/decisions/0009).
 */
export const bundleFunctions = (outDir: string): Promise<void> =>
  bundle({ index: "api/_index.ts", inngest: "api/_inngest.ts" }, outDir);

/** Bundles files of the project, by the names that they get in `outDir`, as the functions are bundled. */
export async function bundle(entryPoints: Record<string, string>, outDir: string): Promise<void> {
  // Chunks are named by what is in them, so old ones would stay.
  rmSync(outDir, { recursive: true, force: true });
  await build({
    absWorkingDir: import.meta.dirname,
    entryPoints,
    outdir: outDir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    // Not minified: logged stack frames keep the names of our functions.
    minify: false,
    // Packages in CommonJS call require, which an ES module has to make for itself.
    banner: {
      js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
    },
    // An optional part of pg that is not installed.
    external: ["pg-native"],
    legalComments: "none",
    logLevel: "warning",
  });
}

if (process.argv[1] === import.meta.filename) {
  await bundleFunctions(path.join(import.meta.dirname, "dist"));
}
