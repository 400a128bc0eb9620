import { beforeAll, describe, expect, test } from "vitest";
import { useApi } from "../support/api.ts";
import { sitesOf, placeOf } from "./body-twists.ts";
import { attack, type Report } from "./engine.ts";
import { readOperations, typesOf, type Operation, type Schema } from "./openapi.ts";
import { reportText } from "./report.ts";

const RUNS = 500;
const TIMEOUT_MS = 120_000;

const api = useApi();

describe(`${RUNS} hostile requests to the documented routes`, () => {
  let report: Report;
  beforeAll(async () => {
    const target = {
      app: api.app,
      runtime: api.runtime,
      query: (text: string, values?: unknown[]) => api.db.rows("superuser", text, values),
      sentEvents: () => api.engine.sent.length,
    };
    report = await attack(target, { runs: RUNS, seed: Date.now() % 2 ** 31 });
  }, TIMEOUT_MS);

  test("are answered below 500, name what was wrong, write nothing when refused and are kept as sent when not", () => {
    expect(report.finding, reportText(report)).toBeNull();
    expect(report.runs).toBe(RUNS);
  });

  test("reach every route, each with something that it accepts", () => {
    expect(report.neverAccepted, reportText(report)).toEqual([]);
  });

  test("leave no connection taken, nobody waiting, no memory behind", () => {
    expect(report.aftermath).toEqual([]);
  });

  test("leave no word of theirs in the log", () => {
    for (const marker of ["drop table", "pg_sleep", "polluted", "etc/passwd"]) {
      expect(api.logs.filter((line) => line.includes(marker))).toEqual([]);
    }
  });
});

describe("every request's schema", () => {
  const isBoundText = ({ maxLength, enum: values, format, pattern = "" }: Schema) =>
    maxLength !== undefined || values !== undefined || format !== undefined || /^\^.*\}\$$/.test(pattern);

  test("bounds each text and each list", async () => {
    const unbound = (await readOperations(api.app)).flatMap(unboundOf);
    expect(unbound).toEqual([]);
  });

  function unboundOf({ name, parameters, body }: Operation): string[] {
    // A cursor is bounded where it is read, for all lists alike.
    const given = parameters.filter((one) => one.name !== "cursor");
    const fields = [
      ...given.map((one) => ({ place: `${one.in}.${one.name}`, schema: one.schema })),
      ...(body ? sitesOf(body) : []).map((one) => ({ place: placeOf(one.path), schema: one.schema })),
    ];
    return fields.flatMap(({ place, schema }) => {
      const types = typesOf(schema);
      const isFree = types.includes("string") && !isBoundText(schema);
      const isEndless = types.includes("array") && schema.maxItems === undefined;
      return isFree || isEndless ? [`${name}: ${place}`] : [];
    });
  }
});
