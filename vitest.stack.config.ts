import { defineConfig, mergeConfig } from "vitest/config";
import base, { stackTests } from "./vitest.config.ts";

/** `npm start` and its parts, killed and started again; the documents' commands; the build that Vercel makes. */
const config = mergeConfig(base, defineConfig({}));
config.test.include = stackTests;
config.test.exclude = ["**/node_modules/**"];
export default config;
