// How much of the addon's progress the daemon gets to see.

/** The daemon writes every line to its database before it does anything else. */
const INTERVAL_MS = 1000;

/**
 * Passes the first line on at once, then one a second: the latest. What still waits when the call settles is dropped, because
 * the outcome says more.
 */
export class Throttle {
  readonly #listener: (line: string) => unknown;
  #pause: NodeJS.Timeout | undefined;
  #latest: string | undefined;

  constructor(listener: (line: string) => unknown) {
    this.#listener = listener;
  }

  say(line: string): void {
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
      // As with the addon's own callback: whatever a listener does, the picture is drawn.
    }
  }

  #resume(): void {
    this.#pause = undefined;
    const line = this.#latest;
    this.#latest = undefined;
    if (line !== undefined) this.say(line);
  }
}
