/** As JSON carries it over: without what is undefined, and out of reach of later changes of the original. */
export const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
