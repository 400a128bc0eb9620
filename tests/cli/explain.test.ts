import { describe, expect, test } from "vitest";
import { explain } from "../../cli/explain.ts";

const CANARY = "what somebody said";
const coded = (code: string, message = CANARY) => Object.assign(new Error(message), { code });
/** As the query builder wraps what a statement threw. */
const wrapped = (cause?: Error) => new Error(`Failed query: select $1\nparams: ${CANARY}`, { cause });

describe("what a query was given is never said", () => {
  test.each([
    [coded("ECONNREFUSED"), /^Nothing answers at the database's address/],
    [Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }), /^Nothing answers/],
    [coded("ENOTFOUND"), /^The host .* is not known/],
    [coded("ETIMEDOUT"), /did not answer in time/],
    [coded("ECONNRESET"), /connection to the database was lost/],
    [coded("EPIPE", "write EPIPE"), /connection to the database was lost/],
    [new Error("Connection terminated unexpectedly"), /connection to the database was lost/],
    [new Error("Connection terminated due to connection timeout"), /did not answer in time/],
    [new Error("timeout exceeded when trying to connect"), /did not answer in time/],
    [
      new Error("Connection terminated: getaddrinfo", { cause: coded("ENOTFOUND") }),
      /^The host .* is not known/,
    ],
    [
      coded("28P01", "password authentication failed"),
      /^Postgres refused \(28P01\): .*Check user and password/,
    ],
    [coded("42P01", 'relation "audit.api_keys" does not exist'), /npx afterimage migrate$/],
    [undefined, /^A query failed for an unknown reason\.$/],
    [wrapped(), /^A query failed for an unknown reason\.$/],
  ])("where %j is wrapped in it", (cause, words) => {
    for (const said of [explain(wrapped(cause)), explain(wrapped(wrapped(cause)))]) {
      expect(said).toMatch(words);
      expect(said).not.toContain(CANARY);
    }
  });
});

test("an error's own words stand, whatever caused it", () => {
  expect(explain(new Error("Say on or off.", { cause: coded("ENOENT") }))).toBe("Say on or off.");
  expect(explain("a text")).toBe("a text");
});

test("a socket that is not there is a database that does not answer, not a file", () => {
  const error = Object.assign(coded("ENOENT"), { syscall: "connect", path: "/run/.s.PGSQL.5432" });
  expect(explain(error)).toMatch(/^Nothing answers at the database's address/);
});
