// What this process itself holds for its calls. A listener, a socket or a test runner's own file may come and go beside them,
// so only what grows and stays is of interest.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'vitest';

export interface Footprint {
  /** Open file descriptors. */
  descriptors: number;
  /** Threads of the addon that each wait for one child. The runtime's own are kept for the next call. */
  waiters: number;
  /** Children that have ended and that nobody has waited for. */
  zombies: number;
}

export function footprint(): Footprint {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    waiters: readdirSync('/proc/self/task').filter(isWaiter).length,
    zombies: readdirSync('/proc').filter(isOurZombie).length,
  };
}

/** Nothing is held that was not held before. What another thread is about to let go of may take a moment. */
export async function expectNothingHeld(before: Footprint): Promise<void> {
  const patience = performance.now() + 5000;
  let more = exceeds(footprint(), before);
  while (Object.keys(more).length > 0 && performance.now() < patience) {
    await sleep(10);
    more = exceeds(footprint(), before);
  }
  expect(more, 'more than before').toEqual({});
}

function exceeds(now: Footprint, before: Footprint): Partial<Footprint> {
  const more = Object.entries(now).filter(
    ([what, count]) => count > before[what as keyof Footprint],
  );
  return Object.fromEntries(more);
}

/** Threads end by themselves, also between two looks. */
function isWaiter(thread: string): boolean {
  try {
    // The kernel keeps 15 characters of a name.
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').startsWith('codex-image-wai');
  } catch {
    return false;
  }
}

/** As everybody's, `/proc` may change between two looks. */
function isOurZombie(pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before it may hold anything.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' && Number(parent) === process.pid;
  } catch {
    return false;
  }
}
