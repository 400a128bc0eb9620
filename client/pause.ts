import type { AuditClientError } from "./errors.ts";
import { pauseMs } from "./retry.ts";

/** The service counts as away after so many failures in a row. */
const AWAY_AFTER = 3;

/** Whether the service is away, and the pause that all requests share then. */
export class Pause {
  readonly #waits: boolean;
  #failures = 0;
  #since = 0;
  #until = 0;

  constructor(waits: boolean) {
    this.#waits = waits;
  }

  get isAway(): boolean {
    return this.#failures >= AWAY_AFTER;
  }

  /** Milliseconds that are left of it; 0 or less: none. */
  get leftMs(): number {
    return this.#until - performance.now();
  }

  /** Requests that were on their way together fail together, which counts once. */
  failed(error: AuditClientError, startedAt: number): void {
    if (startedAt < this.#since) return;
    this.#failures++;
    this.#since = performance.now();
    if (this.isAway) this.#until = this.#since + pauseMs(this.#failures, error, this.#waits);
  }

  skip(): void {
    this.#until = 0;
  }

  answered(): void {
    this.#failures = 0;
  }
}
