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
 *
 * and what is deleted of the application's own tables, and when. docs/CLEANUP.md explains it; `npx afterimage retention
 * preview` shows what would go:
 *
 *   retention: [
 *     { table: "public.wa_media_signatures", where: [{ column: "expires_at", olderThan: "1 day" }] },
 *   ],
 */
export default defineConfig({ tables: {} });
