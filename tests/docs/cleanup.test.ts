import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { localConfig } from "../../local/config.ts";
import { config } from "../services/cleanup/rules.ts";

const root = path.resolve(import.meta.dirname, "../..");
const text = fs.readFileSync(path.join(root, "docs/CLEANUP.md"), "utf8");

test("the configuration of docs/CLEANUP.md is one, with the rules that the tests try", async () => {
  const [, example = ""] = /```ts\n([^]*?)```/.exec(text) ?? [];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cleanup-docs-"));
  const file = path.join(folder, "config.ts");
  fs.writeFileSync(file, example.replace("./lib/config.ts", path.join(root, "lib/config.ts")));
  const documented = (await localConfig(file))?.retention.map(({ table, where }) => ({ table, where }));
  fs.rmSync(folder, { recursive: true });
  expect(documented).toEqual(config.retention.map(({ table, where }) => ({ table, where })));
});
