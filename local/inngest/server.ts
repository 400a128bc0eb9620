import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { stepsObject } from "./call.ts";
import { checkpointSchema, storeCheckpoint } from "./checkpoint.ts";
import { isTransient, type Database } from "./database.ts";
import { acceptEvents, emitEvent, internalIds, withoutEngineData } from "./events.ts";
import { loadSteps } from "./jobs.ts";
import { messageOf, type Log } from "./log.ts";
import { findRun, findRunsOfEvent } from "./queries.ts";
import type { Registry } from "./registry.ts";
import { cancelRun } from "./routing.ts";
import { ENGINE_KEY, FUNCTION_INVOKED, INTERNAL_PREFIX, incomingEventSchema } from "./types.ts";

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const EVENTS_PER_REQUEST_MAX = 5_000;
/** How long a request waits for a database that is away; the SDK then tries again itself. */
const PATIENCE_MS = 5_000;

const eventsSchema = z.array(incomingEventSchema).max(EVENTS_PER_REQUEST_MAX);
const invocationSchema = incomingEventSchema.partial({ name: true });

interface ServerOptions {
  database: Database;
  registry: Registry;
  log: Log;
  /** Called after anything that gives the scheduler work. */
  wake(): void;
}

/** The routes of Inngest's dev server that the SDK and this project use. */
export function routes(options: ServerOptions): Hono {
  const { log } = options;
  const app = new Hono();
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX }));
  app.use(async (context, next) => {
    // A page in a browser on this machine must not be able to send events or register functions.
    if (context.req.header("origin")) return context.json({ error: "Browsers are not served" }, 403);
    await next();
    context.header("x-inngest-server-kind", "dev");
  });
  app.onError((error, context) => {
    const status = isTransient(error) ? 503 : isInvalidInput(error) ? 400 : 500;
    if (status === 500) log("error", "a request failed", { path: context.req.path, error: messageOf(error) });
    return context.json({ ids: [], status, error: messageOf(error) }, status);
  });
  app.get("/health", (context) => context.json({ status: 200, message: "OK" }));
  app.get("/dev", (context) => context.json({ version: "local", functions: options.registry.active() }));
  eventRoutes(app, options);
  sdkRoutes(app, options);
  runRoutes(app, options);
  return app;
}

function eventRoutes(app: Hono, { database, wake }: ServerOptions): void {
  app.post("/e/:key", async (context) => {
    const events = eventsSchema.parse([await json(context)].flat());
    const internal = events.find((event) => event.name.toLowerCase().startsWith(INTERNAL_PREFIX));
    if (internal) throw new SyntaxError(`event name is reserved for internal use: ${internal.name}`);
    // Named before the transaction, which may be repeated after a commit whose answer was lost.
    const proposed = internalIds(events.length, context.req.header("x-inngest-event-id-seed"));
    const ids = await database.transaction(
      (session) => acceptEvents(session, events.map(withoutEngineData), proposed),
      PATIENCE_MS,
    );
    wake();
    return context.json({ ids, status: 200 });
  });

  app.post("/invoke/:slug", async (context) => {
    const event = invocationSchema.parse(await json(context));
    const data = { ...event.data, [ENGINE_KEY]: { fn_id: context.req.param("slug") } };
    const [internalId = ""] = internalIds(1, context.req.header("x-inngest-event-id-seed"));
    const id = await database.transaction(
      (session) => emitEvent(session, FUNCTION_INVOKED, data, { internalId, id: event.id ?? internalId }),
      PATIENCE_MS,
    );
    wake();
    return context.json({ id, status: 200 });
  });

  app.get("/v1/events/:id/runs", async (context) => {
    return context.json({ data: await findRunsOfEvent(database, context.req.param("id")) });
  });
}

function sdkRoutes(app: Hono, { database, registry, wake }: ServerOptions): void {
  app.post("/fn/register", async (context) => {
    if (context.req.header("x-inngest-expected-server-kind") === "cloud") {
      return context.json({ error: "Expected server kind cloud, got dev" }, 400);
    }
    const { modified } = await registry.register(await json(context), PATIENCE_MS);
    wake();
    return context.json({ ok: true, modified });
  });

  app.post("/v1/checkpoint/:runId/async", async (context) => {
    const body = checkpointSchema.parse(await json(context));
    const result = await storeCheckpoint(database, context.req.param("runId"), body, PATIENCE_MS);
    if (result === "stale") return context.json({ error: "This call is not the newest of its job" }, 409);
    if (result === "refused") return context.json({ error: "Only finished steps can be checkpointed" }, 400);
    return context.json({});
  });

  app.get("/v0/runs/:id/actions", async (context) => {
    return context.json(stepsObject(await loadSteps(database, context.req.param("id"))));
  });

  app.get("/v0/runs/:id/batch", async (context) => {
    const rows = await database.rows<{ event: string }>("select event from inngest.runs where id = $1", [
      context.req.param("id"),
    ]);
    if (!rows[0]) return context.json({ error: "Run not found", status: 404 }, 404);
    return context.json([JSON.parse(rows[0].event)]);
  });
}

function runRoutes(app: Hono, { database, wake }: ServerOptions): void {
  app.get("/v1/runs/:id", async (context) => {
    const run = await findRun(database, context.req.param("id"));
    return run ? context.json({ data: run }) : context.json({ error: "Run not found", status: 404 }, 404);
  });

  app.delete("/v1/runs/:id", async (context) => {
    const id = context.req.param("id");
    const cancelled = await database.transaction(
      (session) => cancelRun(session, id, "function cancelled"),
      PATIENCE_MS,
    );
    wake();
    return cancelled ? context.body(null, 204) : context.json({ error: "Run not found", status: 404 }, 404);
  });
}

async function json(context: Context): Promise<unknown> {
  return JSON.parse(await context.req.text()) as unknown;
}

function isInvalidInput(error: unknown): boolean {
  return [z.ZodError, SyntaxError, RangeError, TypeError].some((type) => error instanceof type);
}
