import { randomBytes } from "node:crypto";
import { afterAll, beforeAll } from "vitest";
import { createApp } from "../../api/_http/create-app.ts";
import type { App } from "../../api/_http/app.ts";
import { readEnv } from "../../lib/env.ts";
import type { WorkflowEvent } from "../../lib/inngest.ts";
import { createLogger } from "../../lib/logger.ts";
import type { RateLimiter } from "../../lib/rate-limit.ts";
import { scopes, type Scope } from "../../services/keys/scopes.ts";
import { hashSecret, newSecret, shownPrefix } from "../../services/keys/secret.ts";
import { createRuntime, type Runtime } from "../../services/runtime.ts";
import { assertDriver, useDatabase, type TestDatabase } from "./database.ts";

export interface KeyOptions {
  userId?: string;
  scopes?: readonly Scope[];
  workspaces?: string[] | null;
  projects?: string[] | null;
  expiresAt?: Date;
}

export interface CallOptions {
  key?: string | null;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Answer {
  status: number;
  // What an answer holds is what the tests are there to say.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
  headers: Headers;
}

export interface TestApi {
  db: TestDatabase;
  runtime: Runtime;
  app: App;
  /** Events that were handed to the workflow engine; `engine.away = true` makes it refuse them. */
  engine: { sent: WorkflowEvent[]; away: boolean };
  logs: string[];
  /** Mints a key straight in the database; all scopes, tenants and no expiry unless said otherwise. */
  mintKey(options?: KeyOptions): Promise<string>;
  /** Calls a route below /api with a key of all rights unless told otherwise; JSON in and out. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

const noLimits: RateLimiter = { check: async () => null };

/** The whole API in this process, on a database of this test file's own; `more` are variables of its environment. */
export function useApi(more: Record<string, string> = {}): TestApi {
  const db = useDatabase();
  const api = { db, engine: { sent: [], away: false }, logs: [] } as unknown as TestApi;
  let allRights: string;

  beforeAll(async () => {
    const env = readEnv({ ...db.serviceEnv(), ...more });
    api.runtime = createRuntime(env, {
      log: createLogger("info", { write: (line) => void api.logs.push(line) }),
      limiter: noLimits,
      send: async (events) => {
        if (api.engine.away) throw new Error("the engine is away");
        api.engine.sent.push(...events);
      },
    });
    assertDriver(api.runtime.app);
    api.app = createApp(api.runtime);
    allRights = await api.mintKey();
  });
  afterAll(() => api.runtime.close());

  api.mintKey = (options = {}) => mintKey(db, options);
  api.call = (method, path, options = {}) => caller(api.app, allRights)(method, path, options);
  return api;
}

export type Call = TestApi["call"];

/** Calls routes of an app below /api, with a key of its own choice unless told otherwise. */
export function caller(app: App, ownKey: string): Call {
  return async (method, path, { key = ownKey, body, headers = {} } = {}) => {
    const response = await app.request(`http://localhost/api${path}`, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json$/.test(response.headers.get("content-type")?.split(";")[0] ?? "");
    return {
      status: response.status,
      body: isJson && text ? JSON.parse(text) : text,
      headers: response.headers,
    };
  };
}

/** Mints a key straight in the database. */
export async function mintKey(db: TestDatabase, options: KeyOptions = {}): Promise<string> {
  const secret = newSecret();
  await db.rows(
    "app",
    `insert into api_keys (name, user_id, secret_hash, secret_prefix, scopes, workspaces, projects, created_by_user_id, expires_at)
     values ('test', $1, $2, $3, $4, $5, $6, $1, $7)`,
    [
      options.userId ?? "user-test",
      hashSecret(secret),
      shownPrefix(secret),
      options.scopes ?? scopes,
      options.workspaces ?? null,
      options.projects ?? null,
      options.expiresAt ?? null,
    ],
  );
  return secret;
}

/** A tenant of one test's own. */
export const newId = (kind: string) => `${kind}-${randomBytes(6).toString("hex")}`;
