/** Several may be inside; who wants it alone waits until they are out, and keeps others from coming in. */
export class Gate {
  #inside = 0;
  #alone: Promise<void> = Promise.resolve();
  #empty: (() => void) | null = null;

  async pass<T>(work: () => Promise<T>): Promise<T> {
    for (let seen: Promise<void> | null = null; seen !== this.#alone;) {
      seen = this.#alone;
      await seen;
    }
    this.#inside++;
    try {
      return await work();
    } finally {
      if (--this.#inside === 0) this.#empty?.();
    }
  }

  /** One at a time. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#alone;
    let open = () => {};
    this.#alone = new Promise((resolve) => (open = resolve));
    await before;
    if (this.#inside > 0) await new Promise<void>((resolve) => (this.#empty = resolve));
    this.#empty = null;
    try {
      return await work();
    } finally {
      open();
    }
  }
}
