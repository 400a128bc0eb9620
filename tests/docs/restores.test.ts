import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { tablesOf } from "../../lib/config-check.ts";
import { localConfig } from "../../local/config.ts";

const text = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/RESTORES.md"), "utf8");

test("the configuration of docs/RESTORES.md is one", async () => {
  const [, example = ""] = /```ts\n([^]*?)```/.exec(text) ?? [];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-docs-"));
  try {
    const file = path.join(folder, "config.mjs");
    fs.writeFileSync(file, example.replace(/^import .*$/m, "const defineConfig = (config) => config;"));
    const config = await localConfig(file);
    expect(config && tablesOf(config)).toEqual([
      "public.customer_profiles",
      "public.venues",
      "public.singers",
    ]);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
