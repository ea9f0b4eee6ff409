// Limits how often the daemon gets a line of progress.

/** Minimum time between two lines: the daemon writes each one to its database immediately. */
const INTERVAL_MS = 1000;

/**
 * Passes on the first line immediately, then the latest line at most once a second. Drops a line
 * that is pending when the call settles, because the outcome supersedes it.
 */
export class Throttle {
  readonly #listener: (line: string) => unknown;
  #pause: NodeJS.Timeout | undefined;
  #latest: string | undefined;

  constructor(listener: (line: string) => unknown) {
    this.#listener = listener;
  }

  add(line: string): void {
    if (this.#pause === undefined) void this.#deliver(line);
    else this.#latest = line;
  }

  stop(): void {
    clearTimeout(this.#pause);
    this.#latest = undefined;
  }

  async #deliver(line: string): Promise<void> {
    this.#pause = setTimeout(() => this.#resume(), INTERVAL_MS).unref();
    try {
      await this.#listener(line);
    } catch {
      // Ignored as by the addon: a listener that throws does not stop the generation.
    }
  }

  #resume(): void {
    this.#pause = undefined;
    const line = this.#latest;
    this.#latest = undefined;
    if (line !== undefined) this.add(line);
  }
}
