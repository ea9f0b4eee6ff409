// Sends progress notifications, if the client asks for them. Clients that have a time limit start
// it anew with each.

import type { ServerContext } from '@modelcontextprotocol/server';

/**
 * Longest time between two notifications. Less than the 5 seconds that docs/mcp.md promises, for a
 * busy machine.
 */
const INTERVAL_MS = 4000;

export class ProgressNotifications {
  readonly #began = performance.now();
  #message = 'Waiting for Codex';
  #progress = 0;
  readonly #send: ((message: string) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ mcpReq }: ServerContext) {
    const { _meta: meta } = mcpReq;
    const progressToken = meta?.progressToken;
    if (progressToken === undefined) return;
    this.#send = (message) => {
      const params = { progressToken, progress: this.#next(), message };
      // A client that has gone needs no progress; its call is aborted.
      mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
      this.#timer?.refresh();
    };
    this.#timer = setInterval(() => this.#send?.(this.#message), INTERVAL_MS);
  }

  show(message: string): void {
    this.#message = message;
    this.#send?.(message);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** Seconds since the call began. Increases with every notification, as the protocol demands. */
  #next(): number {
    const seconds = (performance.now() - this.#began) / 1000;
    this.#progress = Math.max(Math.round(seconds * 1000) / 1000, this.#progress + 0.001);
    return this.#progress;
  }
}
