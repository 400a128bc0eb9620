import { appliedRows } from "../../../db/queries/restore-applied-rows.ts";
import { putEffect } from "../../../db/queries/restore-effects.ts";
import type { CheckConfig } from "../../../lib/config.ts";
import { DeliveryError } from "../../../lib/delivery.ts";
import { envSecret } from "../../../lib/env.ts";
import { askOnce } from "../../../lib/http-request.ts";
import { columnsOf, parseTemplate } from "../../../lib/template.ts";
import { publicLookup, webhookTarget } from "../../../lib/webhook-target.ts";
import type { RestoreContext } from "../context.ts";
import { effectName } from "./names.ts";
import type { EffectsOf } from "./rows.ts";
import { fill } from "./templates.ts";

/** Rows of each table whose URL is asked. */
const ROWS_MAX = 5;
const TIMEOUT_MS = 10_000;

export interface CheckedUrl {
  url: string;
  /** Absent when there was no answer. */
  status?: number;
  /** Why it is not well; absent when it is. */
  error?: string;
}

/**
 * Asks the check URLs of the configuration for the first rows that a run has applied and that are there now: five of each
 * table at most, one after the other, 10 s each. Only 200 to 299 is well; redirects are not followed. Never throws
 * because of an answer.
 */
export async function checkUrls(ctx: RestoreContext, { runId, repeat }: EffectsOf): Promise<CheckedUrl[]> {
  const results = new Map<string, CheckedUrl>();
  for (const [table, { check }] of Object.entries(ctx.config.tables)) {
    if (!check) continue;
    for (const url of await urlsOf(ctx, runId, table, check)) {
      if (results.has(url)) continue;
      const result = await ask(url, check);
      results.set(url, result);
      const { status, error } = result;
      await putEffect(
        ctx.db,
        { runId, repeat, kind: "check" },
        { name: effectName(url), isDone: error === undefined, detail: { url, status, error } },
      );
    }
  }
  return [...results.values()];
}

async function urlsOf(
  ctx: RestoreContext,
  runId: string,
  table: string,
  check: CheckConfig,
): Promise<string[]> {
  const parts = parseTemplate(check.url);
  const columns = { [table]: columnsOf(parts) };
  const rows = await appliedRows(ctx.db, { runId, after: 0, limit: ROWS_MAX, columns, present: true });
  const urls = rows.flatMap(({ after }) => (after ? [fill(parts, after, encodeURIComponent)] : []));
  return [...new Set(urls.filter((url) => url !== null))];
}

async function ask(url: string, { headers = {}, allowPrivate = false }: CheckConfig): Promise<CheckedUrl> {
  const values: Record<string, string> = { "user-agent": "afterimage" };
  for (const [name, { env }] of Object.entries(headers)) {
    const value = envSecret(env);
    if (value === undefined) return { url, error: `the variable ${env} is not set` };
    values[name] = value;
  }
  try {
    const target = webhookTarget(url, allowPrivate);
    const { status } = await askOnce(target, {
      method: "GET",
      headers: values,
      timeoutMs: TIMEOUT_MS,
      ...(allowPrivate ? {} : { lookup: publicLookup() }),
    });
    const isWell = status >= 200 && status <= 299;
    return { url, status, ...(isWell ? {} : { error: `HTTP ${status}` }) };
  } catch (error) {
    // What is no DeliveryError may quote a header.
    return { url, error: error instanceof DeliveryError ? error.reason : "the request could not be made" };
  }
}
