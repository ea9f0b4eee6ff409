// Waits for conditions that cannot be awaited, such as the end of other programs.

import { setTimeout } from 'node:timers/promises';

/** A ceiling for what hangs. */
export const LIMIT_MS = 120_000;

export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  details: () => string = () => '',
): Promise<void> {
  const limit = Date.now() + LIMIT_MS;
  while (!(await holds())) {
    if (Date.now() > limit) throw new Error(`Not within the limit: ${what}\n${details()}`);
    await setTimeout(50);
  }
}
