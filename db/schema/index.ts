export * from "./alerts.ts";
export * from "./common.ts";
export * from "./deletions.ts";
export * from "./events.ts";
export * from "./home.ts";
export * from "./jobs.ts";
export * from "./keys.ts";
export * from "./trails.ts";
