import { Webhook } from "standardwebhooks";

export interface StripeJob {
  customerProfileId: string;
  stripeCustomerId: string | null;
}

/**
 * The queue stripe/customer.sync-requested: takes jobs over HTTP, signed as Standard Webhooks, each id once. Answers the
 * status: 204, or 401 for what its secret did not sign.
 */
export class StripeSync {
  readonly #webhook: Webhook;
  readonly #seen = new Set<string>();
  readonly #sync: (job: StripeJob) => void;

  constructor(secret: string, sync: (job: StripeJob) => void) {
    this.#webhook = new Webhook(secret);
    this.#sync = sync;
  }

  take(body: string, headers: Record<string, string>): 204 | 401 {
    let job: StripeJob;
    try {
      ({ data: job } = this.#webhook.verify(body, headers) as { data: StripeJob });
    } catch {
      return 401;
    }
    const id = headers["webhook-id"] as string;
    if (!this.#seen.has(id)) this.#sync(job);
    this.#seen.add(id);
    return 204;
  }
}
