import { defineConfig } from "drizzle-kit";

// Only `drizzle-kit generate` is used; `afterimage migrate` applies what it writes.
export default defineConfig({
  dialect: "postgresql",
  schema: "./db/schema/index.ts",
  out: "./db/migrations",
  schemaFilter: ["audit"],
});
