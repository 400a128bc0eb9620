import { defineConfig } from "./lib/config.ts";

/**
 * What happens besides the rows when they are restored, and who has to agree. docs/RESTORES.md explains every field:
 *
 *   tables: {
 *     "public.venues": {
 *       cache: ["customer:venues:{customer_profiles_id}", "search:{country}:*"],
 *       jobs: [{ event: "songs/index.refresh", data: { venueId: "{venues_id}" } }],
 *     },
 *   },
 *   restores: { approval: [{ rowsOver: 1_000 }] },
 */
export default defineConfig({ tables: {} });
