// The tool calls that are running, so that the process outlives none of them.

export class Calls {
  readonly #running = new Set<Promise<unknown>>();

  /** Remembers the call until it has settled, and returns it. */
  follow<T>(call: Promise<T>): Promise<T> {
    const settled: Promise<void> = call
      .catch(() => {})
      .then(() => void this.#running.delete(settled));
    this.#running.add(settled);
    return call;
  }

  /** Resolves when no call is running. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
