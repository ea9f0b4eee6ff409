// What a call ends with, and what it reports until then.

import { expect } from 'vitest';

import type { CodexImageError, OnProgress, ProgressEvent } from '../../../index.js';

/** Returns the error of a failed call, which has to be a `CodexImageError`. */
export async function failure(call: Promise<unknown>): Promise<CodexImageError> {
  const outcome = await call.then(
    () => 'resolved',
    (reason: unknown) => reason,
  );
  expect(outcome).toBeInstanceOf(Error);
  expect(outcome).toMatchObject({ name: 'CodexImageError' });
  return outcome as CodexImageError;
}

/** Collects the progress of a call. */
export function listener(): {
  events: ProgressEvent[];
  messages: string[];
  onProgress: OnProgress;
} {
  const events: ProgressEvent[] = [];
  const messages: string[] = [];
  const onProgress: OnProgress = (message, event) => {
    messages.push(message);
    events.push(event);
  };
  return { events, messages, onProgress };
}
