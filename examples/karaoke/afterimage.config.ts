import { defineConfig } from "../../lib/config.ts";

/** Where the example's own server answers. */
const karaoke = process.env.KARAOKE_URL ?? "http://127.0.0.1:4310";

/** What the example caches of its tables, who has to hear of their rows, and when a second person has to agree. */
export default defineConfig({
  tables: {
    "public.customer_profiles": {
      cache: ["customer:venues:{customer_profiles_id}"],
      jobs: [
        {
          url: `${karaoke}/jobs/stripe-sync`,
          secretEnv: "KARAOKE_JOBS_SECRET",
          data: {
            job: "stripe/customer.sync-requested",
            customerProfileId: "{customer_profiles_id}",
            stripeCustomerId: "{stripe_customer_id}",
          },
          allowPrivate: true,
        },
      ],
      check: { url: `${karaoke}/customers/{customer_profiles_id}`, allowPrivate: true },
    },
    "public.venues": {
      cache: ["customer:venues:{customer_profiles_id}"],
      jobs: [{ event: "songs/index.refresh-requested", data: { venueId: "{venue_id}" }, key: "{venue_id}" }],
    },
    "public.singers": {
      jobs: [{ event: "songs/index.refresh-requested", data: { venueId: "{venue_id}" }, key: "{venue_id}" }],
    },
  },
  restores: { approval: [{ targets: ["tables"] }] },
});
