/** JSON of a value, with U+FFFD for what Postgres cannot store in a text: NUL, and half a character of a text cut short. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value).replace(/\\(\\|u0000|ud...)/g, (escape) => (escape[1] === "u" ? "\ufffd" : escape));

/** As JSON carries it over: without what is undefined, and out of reach of later changes of the original. */
export const copy = <T>(value: T): T => JSON.parse(toJson(value)) as T;
