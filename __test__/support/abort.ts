// What an abort does to a promise and to a signal.

import { getEventListeners } from 'node:events';

import { expect } from 'vitest';

/** How a promise was rejected, whatever with. */
export async function rejection(call: Promise<unknown>): Promise<{ reason: unknown }> {
  return call.then(
    () => expect.unreachable('it resolved'),
    (reason: unknown) => ({ reason }),
  );
}

export function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}
