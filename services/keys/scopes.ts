/** What a key may do. A key can only mint keys whose scopes it has itself. */
export const scopes = [
  "events:write",
  "events:read",
  "events:export",
  "trails:write",
  "trails:read",
  "history:read",
  "restores:read",
  "restores:run",
  "restores:approve",
  "retention:read",
  "retention:manage",
  "holds:read",
  "holds:manage",
  "projects:read",
  "projects:manage",
  "keys:manage",
  "purges:read",
  "purges:approve",
  "jobs:read",
  "jobs:manage",
  "alerts:read",
  "alerts:manage",
  "metrics:read",
  "reports:read",
] as const;

export type Scope = (typeof scopes)[number];
