export * from "./common.ts";
export * from "./deletions.ts";
export * from "./events.ts";
export * from "./jobs.ts";
export * from "./keys.ts";
export * from "./trails.ts";
