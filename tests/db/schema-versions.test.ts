import { expect, test } from "vitest";
import { pieces } from "../../db/pieces.ts";
import { schemaVersions } from "../../db/schema-versions.ts";

test("the code knows exactly the schema that its SQL files make; otherwise run: npm run schema", () => {
  expect(schemaVersions).toEqual(Object.fromEntries(pieces().map(({ name, checksum }) => [name, checksum])));
});
