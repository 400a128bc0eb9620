import type { Db } from "../db/client.ts";
import type { Logger } from "../lib/logger.ts";
import type { EventSender } from "../lib/inngest.ts";
import type { IngestCounts } from "../lib/metrics.ts";
import { safeError } from "../lib/logger.ts";
import { notFound, ServiceError } from "./errors.ts";
import type { Scope } from "./keys/scopes.ts";

/** Who asks: an API key and the person who owns it. */
export interface Principal {
  keyId: string;
  userId: string;
  scopes: ReadonlySet<Scope>;
  /** Null: every workspace. */
  workspaces: readonly string[] | null;
  /** Null: every project. */
  projects: readonly string[] | null;
  /** Null: the key does not expire. */
  expiresAt: Date | null;
}

/** What every service call gets. Inside an idempotent request `db` is a transaction. */
export interface Context {
  db: Db;
  principal: Principal;
  requestId: string;
  log: Logger;
  /** Set in a deployment that runs no schedules and raises no alarms; `isQuiet` asks the database, too. */
  quiet: boolean;
  /** Runs once the request's writes are committed; its failure is logged and does not fail the request. */
  afterCommit(action: (db: Db) => Promise<void>): void;
  send: EventSender;
  counts: IngestCounts;
}

/** What a workflow's step gets: no person stands behind it. */
export interface WorkerContext {
  db: Db;
  log: Logger;
  quiet: boolean;
  send: EventSender;
}

/** What runs inside `inTransaction`: `db` is the transaction. */
export interface TransactionContext extends WorkerContext {
  afterCommit(action: AfterCommit): void;
}

type AfterCommit = (db: Db) => Promise<void>;

/**
 * Runs `work` in one transaction, and after its commit what `work` asked for by `afterCommit`: failures of that are
 * logged and fail nothing. Within a request or another such transaction that waits for the outermost commit.
 */
export async function inTransaction<C extends WorkerContext & Partial<TransactionContext>, T>(
  ctx: C,
  work: (inner: C & TransactionContext) => Promise<T>,
): Promise<T> {
  const actions: AfterCommit[] = [];
  const afterCommit = (action: AfterCommit) => void actions.push(action);
  const result = await ctx.db.transaction((tx) => work({ ...ctx, db: tx, afterCommit }));
  for (const action of actions) {
    if (ctx.afterCommit) ctx.afterCommit(action);
    else
      await action(ctx.db).catch((error: unknown) =>
        ctx.log.warn({ error: safeError(error) }, "after commit"),
      );
  }
  return result;
}

/** Events of the service itself (keys, jobs, projects) belong to this workspace. */
export const SERVICE_WORKSPACE = "afterimage";

export function requireScope(ctx: Context, scope: Scope): void {
  if (ctx.principal.scopes.has(scope)) return;
  throw new ServiceError(
    "forbidden",
    `This key lacks the scope ${scope}. Use a key that has it, or ask for one.`,
  );
}

/** For what concerns the whole service, which a key limited to workspaces or projects does not see (403). */
export function requireOperator(ctx: Context, scope: Scope): void {
  requireScope(ctx, scope);
  if (ctx.principal.workspaces === null && ctx.principal.projects === null) return;
  throw new ServiceError(
    "forbidden",
    "This key is limited to some workspaces or projects, and this is about the whole service. Use a key without limits.",
  );
}

/** Another tenant's workspace answers like one that does not exist; `path` says where the request named it. */
export function requireWorkspace(ctx: Context, workspaceId: string, path: string): void {
  const { workspaces } = ctx.principal;
  if (workspaces !== null && !workspaces.includes(workspaceId)) throw notFound("workspace", path);
}

/** Another tenant's project answers like one that does not exist. */
export function requireProject(ctx: Context, projectId: string): void {
  const { projects } = ctx.principal;
  if (projects !== null && !projects.includes(projectId)) throw notFound("project");
}
