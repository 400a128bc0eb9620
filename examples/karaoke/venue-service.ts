import type { Redis } from "@upstash/redis";
import type pg from "pg";

const CACHE_TTL_S = 3_600;

export interface Venue {
  venueId: number;
  name: string;
  city: string;
  hourlyPrice: string;
}

export const venuesKey = (customerProfileId: string) => `customer:venues:${customerProfileId}`;

/** The venues of customers, read through a cache that holds each list for an hour. */
export class VenueService {
  readonly #db: pg.Pool;
  readonly #redis: Redis;

  constructor(db: pg.Pool, redis: Redis) {
    this.#db = db;
    this.#redis = redis;
  }

  async venuesOf(customerProfileId: string): Promise<Venue[]> {
    const key = venuesKey(customerProfileId);
    const cached = await this.#redis.get<Venue[]>(key);
    if (cached) return cached;
    const { rows } = await this.#db.query<Venue>(
      `select venue_id as "venueId", name, city, hourly_price::text as "hourlyPrice"
       from venues where customer_profiles_id = $1 order by venue_id`,
      [customerProfileId],
    );
    await this.#redis.set(key, rows, { ex: CACHE_TTL_S });
    return rows;
  }

  /** Called by the back office after it has changed a customer's venues. */
  async forget(customerProfileId: string): Promise<void> {
    await this.#redis.del(venuesKey(customerProfileId));
  }
}
