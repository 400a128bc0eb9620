import { defineConfig, mergeConfig } from "vitest/config";
import base from "./vitest.config.ts";

// The connections of the service's roles go over Neon's driver; those of the admin and the superuser, which set the
// stage, stay on pg. What knows nothing of the service's connections is left out.
const config = mergeConfig(base, defineConfig({ test: { globalSetup: ["tests/support/neon-setup.ts"] } }));
config.test.include = ["api", "client", "db", "functions", "services"].map(
  (folder) => `tests/${folder}/**/*.test.ts`,
);
export default config;
