/** A sleep that can be ended early; an alarm raised while nobody sleeps ends the next sleep at once. */
export class Wake {
  #raised = false;
  #resolve: (() => void) | undefined;

  now(): void {
    this.#raised = true;
    this.#resolve?.();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#raised && ms > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#resolve = undefined;
    }
    this.#raised = false;
  }
}
