import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { envSchema } from "../../lib/env.ts";
import { scopes } from "../../services/keys/scopes.ts";

const read = (file: string) => fs.readFileSync(path.resolve(import.meta.dirname, "../..", file), "utf8");

/** The names in the first column of a page's tables. */
const firstColumn = (text: string) =>
  new Set(
    [...text.matchAll(/^\|(.+?)\|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    ),
  );

describe("the pages that list everything", () => {
  test("docs/DEPLOY.md names every variable that the service reads", () => {
    const named = firstColumn(read("docs/DEPLOY.md"));
    expect(Object.keys(envSchema.shape).filter((name) => !named.has(name))).toEqual([]);
  });

  test("SECURITY.md says what every scope allows", () => {
    const named = firstColumn(read("SECURITY.md"));
    expect(scopes.filter((scope) => !named.has(scope))).toEqual([]);
  });
});
