import { defineConfig } from "vitest/config";

/** That the benchmarks run and do not lie; their figures are for `npm run bench`. */
export default defineConfig({
  test: {
    include: ["tests/bench/**/*.test.ts"],
    globalSetup: ["tests/support/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: "forks",
  },
});
