import { expect, test } from "vitest";
import { hasSqlstate, postgresError } from "../../services/postgres-errors.ts";

const refusal = Object.assign(new Error("refused"), { code: "23505" });
const wrapped = (cause: unknown, times: number): unknown =>
  times === 0 ? cause : new Error("wrapped", { cause: wrapped(cause, times - 1) });

test("Postgres' error is found inside what wraps it, up to the fifth error", () => {
  expect(postgresError(wrapped(refusal, 4))).toBe(refusal);
  expect(postgresError(wrapped(refusal, 5))).toBeNull();
  expect(hasSqlstate(wrapped(refusal, 1), "40001", "23505")).toBe(true);
  expect(hasSqlstate(wrapped(refusal, 1), "40001")).toBe(false);
});

test("what is no error of Postgres is none, also where errors cause each other", () => {
  const circular = new Error("one");
  circular.cause = new Error("other", { cause: circular });
  const brokenPipe = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  for (const error of [circular, brokenPipe, "23505", { code: "23505" }, null]) {
    expect(postgresError(error)).toBeNull();
    expect(hasSqlstate(error, "23505")).toBe(false);
  }
});
