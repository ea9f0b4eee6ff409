// Helpers for aborted calls.

import { getEventListeners } from 'node:events';

import { expect } from 'vitest';

/** Resolves with the reason of a rejection. */
export async function rejection(call: Promise<unknown>): Promise<{ reason: unknown }> {
  return call.then(
    () => expect.unreachable('it resolved'),
    (reason: unknown) => ({ reason }),
  );
}

export function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}
