const CAUSES_MAX = 5;

/** An error and the errors that caused it, the outermost first, five at most; nothing where `error` is no Error. */
export function* causesOf(error: unknown): Generator<Error> {
  for (
    let cause = error, depth = 0;
    cause instanceof Error && depth < CAUSES_MAX;
    cause = cause.cause, depth++
  ) {
    yield cause;
  }
}
