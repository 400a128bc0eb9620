import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { localConfig } from "../../local/config.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-config-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, text);
  return file;
}

test("a local stack takes the configuration that it is given, with its defaults", async () => {
  const file = write("good.mjs", 'export default { tables: { "a.b": { cache: ["k:{id}"] } } };');
  expect(await localConfig(file)).toEqual({
    tables: { "a.b": { cache: ["k:{id}"] } },
    restores: { approvalHours: 72 },
    retention: [],
  });
});

test("without one it says nothing", async () => {
  expect(await localConfig("")).toBeUndefined();
});

test("one that is wrong or not there is refused, with its name and who named it", async () => {
  await expect(localConfig(write("bad.mjs", "export default { tables: { b: {} } };"))).rejects.toThrow(
    /schema\.name/,
  );
  await expect(localConfig(path.join(folder, "none.ts"))).rejects.toThrow(
    /^--config names .*none\.ts, and there is no such file/,
  );
  await expect(localConfig(write("broken.mjs", "export default {"))).rejects.toThrow(
    /^--config names .*broken\.mjs, which cannot be loaded: .*Error/,
  );
  vi.stubEnv("AFTERIMAGE_CONFIG", path.join(folder, "none.ts"));
  await expect(localConfig()).rejects.toThrow(
    /^AFTERIMAGE_CONFIG names .*none\.ts, and there is no such file/,
  );
  vi.unstubAllEnvs();
});
