import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const planted = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-lint-"));
fs.copyFileSync(path.join(root, ".oxlintrc.json"), path.join(planted, ".oxlintrc.json"));
afterAll(() => fs.rmSync(planted, { recursive: true }));

function lint(file: string, text: string): string {
  const target = path.join(planted, file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, text);
  const oxlint = path.join(root, "node_modules/.bin/oxlint");
  return spawnSync(oxlint, [file], { cwd: planted, encoding: "utf8" }).stdout;
}

const use = (from: string) => `import { thing } from "${from}";\nexport const used = thing;\n`;

test.each([
  ["services/planted.ts", "../api/_index.ts"],
  ["services/deep/planted.ts", "../../functions/index.ts"],
  ["functions/planted.ts", "../api/_http/app.ts"],
  ["functions/planted.ts", "../db/client.ts"],
  ["api/_routes/planted.ts", "../../db/client.ts"],
  ["api/_index.ts", "../functions/index.ts"],
  ["db/planted.ts", "../services/context.ts"],
  ["lib/planted.ts", "../db/client.ts"],
  ["services/planted.ts", "../local/start.ts"],
  ["client/planted.ts", "../lib/json.ts"],
  ["services/planted.ts", "drizzle-orm"],
  ["services/planted.ts", "drizzle-orm/pg-core"],
  ["api/planted.ts", "pg"],
  ["services/planted.ts", "@neondatabase/serverless"],
])("an import in %s from %s is caught by the lint", (file, from) => {
  expect(lint(file, use(from))).toContain("no-restricted-imports");
});

test.each([
  ["api/_inngest.ts", "../functions/index.ts"],
  ["api/_routes/planted.ts", "../../services/keys/create.ts"],
  ["functions/planted.ts", "../services/jobs/track.ts"],
  ["services/planted.ts", "../db/queries/keys.ts"],
  ["db/planted.ts", "../lib/schedules.ts"],
  ["db/planted.ts", "drizzle-orm"],
  ["db/drivers/planted.ts", "@neondatabase/serverless"],
  ["tests/planted.ts", "../db/client.ts"],
])("an import in %s from %s is allowed", (file, from) => {
  expect(lint(file, use(from))).not.toContain("no-restricted-imports");
});

test("only lib/env.ts reads process.env", () => {
  const text = "export const secret = process.env.SECRET;\n";
  expect(lint("services/planted.ts", text)).toContain("no-process-env");
  expect(lint("lib/env.ts", text)).not.toContain("no-process-env");
});
