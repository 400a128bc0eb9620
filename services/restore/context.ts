import type { Config } from "../../lib/config.ts";
import type { Redis } from "../../lib/redis.ts";
import type { WorkerContext } from "../context.ts";

/** What a restore's step gets. */
export interface RestoreContext extends WorkerContext {
  /** Where the application's caches are; null without Redis. Its replies are text as it came. */
  redis: Redis | null;
  config: Config;
}
