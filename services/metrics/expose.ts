import { databaseFigures, type DatabaseFigures } from "../../db/queries/metrics.ts";
import type { Db } from "../../db/client.ts";
import { safeError } from "../../lib/logger.ts";
import type { Metrics } from "../../lib/metrics.ts";
import { shareFor, within } from "../../lib/promises.ts";
import { requireOperator, type Context } from "../context.ts";
import { toGauges } from "./gauges.ts";

/** Several scrapers, and one that asks too often, read the database once in this time. */
const SHARED_MS = 3_000;
/** With the time to authenticate, below the 10 s that Prometheus waits for a scrape. */
const DATABASE_TIMEOUT_MS = 4_000;

type ReadFigures = () => Promise<DatabaseFigures>;

/** Reads what the metrics show of a database, at most once in 3 s. */
export const createFiguresReader = (db: Db): ReadFigures => shareFor(SHARED_MS, () => databaseFigures(db));

/**
 * All metrics as Prometheus' text. Without an answer of the database within 4 s, those of the process and
 * `afterimage_database_up 0`. Throws `forbidden` (403) for a key without the scope metrics:read, and for one that is
 * limited to workspaces or projects: the numbers are of all of them.
 */
export async function exposeMetrics(
  ctx: Context,
  metrics: Metrics,
  readFigures: ReadFigures,
): Promise<string> {
  requireOperator(ctx, "metrics:read");
  const figures = await within(DATABASE_TIMEOUT_MS, readFigures()).catch((error: unknown) => {
    ctx.log.warn({ requestId: ctx.requestId, error: safeError(error) }, "metrics without the database");
    return null;
  });
  return metrics.expose(toGauges(figures, ctx.quiet));
}
