import { defineConfig } from "vitest/config";

/** What starts whole stacks, kills processes or builds, and takes its time: npm run test:stack. */
export const stackTests = [
  "tests/local/**/*.test.ts",
  "tests/faults/**/*.test.ts",
  "tests/client/{faults,migration}.test.ts",
  "tests/vercel/**/*.test.ts",
  "tests/docs/{readme,runbook,migration,pages}.test.ts",
];

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    // npm run test:bench.
    exclude: ["tests/bench/**", "**/node_modules/**", ...stackTests],
    globalSetup: ["tests/support/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: "forks",
    isolate: false,
    maxWorkers: 4,
    reporters: process.env.CI ? ["verbose"] : ["default"],
  },
});
