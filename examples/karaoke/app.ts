import { serve } from "@hono/node-server";
import { Redis } from "@upstash/redis";
import { Hono } from "hono";
import { serve as serveInngest } from "inngest/edge";
import pg from "pg";
import type { DevFile } from "../../local/dev-file.ts";
import { SongIndex, songIndexQueue } from "./song-index.ts";
import { StripeSync } from "./stripe-sync.ts";
import { VenueService } from "./venue-service.ts";

/** A job that a queue of the example has taken. */
export interface TakenJob {
  queue: "stripe/customer.sync-requested" | "songs/index.refresh-requested";
  about: string;
}

export interface Karaoke {
  url: string;
  db: pg.Pool;
  redis: Redis;
  venues: VenueService;
  /** In the order in which they came. */
  taken: TakenJob[];
  stop(): Promise<void>;
}

export interface KaraokeOptions {
  dev: Pick<DevFile, "ownerDatabaseUrl" | "redisUrl" | "redisToken" | "inngestUrl">;
  port: number;
  /** What signs the jobs that come over HTTP. */
  secret: string;
}

/** The example's server: its API, and the consumers of its two queues. It owns its tables and knows nothing of Afterimage. */
export async function startKaraoke({ dev, port, secret }: KaraokeOptions): Promise<Karaoke> {
  const { ownerDatabaseUrl, redisUrl, redisToken, inngestUrl } = dev;
  if (!ownerDatabaseUrl || !redisUrl || !redisToken || !inngestUrl)
    throw new Error("The example needs the local stack's own PostgreSQL, Redis and workflow engine.");
  const db = new pg.Pool({ connectionString: ownerDatabaseUrl, max: 5 });
  db.on("error", () => undefined);
  const redis = new Redis({ url: redisUrl, token: redisToken, enableTelemetry: false });
  const venues = new VenueService(db, redis);
  const index = new SongIndex(db);
  const taken: TakenJob[] = [];
  const stripe = new StripeSync(secret, ({ customerProfileId }) =>
    taken.push({ queue: "stripe/customer.sync-requested", about: customerProfileId }),
  );
  const queue = songIndexQueue(inngestUrl, async (venueId) => {
    await index.refresh(venueId);
    taken.push({ queue: "songs/index.refresh-requested", about: String(venueId) });
  });

  const app = new Hono();
  app.get("/customers/:id", async (c) => {
    const id = c.req.param("id");
    const { rows } = await db.query(
      `select customer_profiles_id as id, display_name as "displayName", contact_email as "contactEmail", plan
       from customer_profiles where customer_profiles_id::text = $1`,
      [id],
    );
    if (!rows[0]) return c.json({ error: "no such customer" }, 404);
    return c.json({ ...rows[0], venues: await venues.venuesOf(id) });
  });
  app.get("/customers/:id/venues", async (c) => c.json(await venues.venuesOf(c.req.param("id"))));
  app.get("/venues/:id/songs", (c) => c.json(index.songsOf(Number(c.req.param("id")))));
  app.get("/jobs", (c) => c.json(taken));
  app.post("/jobs/stripe-sync", async (c) => c.body(null, stripe.take(await c.req.text(), c.req.header())));
  const inngest = serveInngest({ ...queue, servePath: "/api/inngest" });
  app.all("/api/inngest", (c) => inngest(c.req.raw));

  const server = serve({ hostname: "127.0.0.1", port, fetch: app.fetch });
  const url = `http://127.0.0.1:${port}`;
  const registered = await fetch(`${url}/api/inngest`, { method: "PUT" });
  if (!registered.ok)
    throw new Error(`The engine did not take the example's functions: ${registered.status}`);
  const stop = async () => {
    await new Promise((resolve) => {
      server.close(resolve);
      if ("closeAllConnections" in server) server.closeAllConnections();
    });
    await db.end();
  };
  return { url, db, redis, venues, taken, stop };
}
