// What this process itself holds for its calls. A listener, a socket or a test runner's own file may come and go beside them,
// so only what grows and stays is of interest.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { LINUX, WINDOWS } from './platform.js';
import { childrenOf } from './processes.js';

export interface Footprint {
  /** Open file descriptors. */
  descriptors: number;
  /** Threads of the addon that each wait for one child, where threads can be seen by name. The runtime's own are kept for the next call. */
  waiters: number;
  /** Processes that it has started, those that have ended and were not waited for included. */
  children: number;
}

export function footprint(): Footprint {
  // Windows tells a process nothing of the kind about itself.
  if (WINDOWS) return { descriptors: 0, waiters: 0, children: 0 };
  return {
    descriptors: readdirSync('/dev/fd').length,
    waiters: threads().filter(isWaiter).length,
    children: childrenOf(process.pid).length,
  };
}

/** What is held that was not held before; nothing, if all is well. What another thread is about to let go of may take a moment. */
export async function heldSince(before: Footprint): Promise<Partial<Footprint>> {
  const patience = performance.now() + 5000;
  let more = excess(footprint(), before);
  while (Object.keys(more).length > 0 && performance.now() < patience) {
    await sleep(10);
    more = excess(footprint(), before);
  }
  return more;
}

function excess(now: Footprint, before: Footprint): Partial<Footprint> {
  const more = Object.entries(now).filter(
    ([what, count]) => count > before[what as keyof Footprint],
  );
  return Object.fromEntries(more);
}

function threads(): string[] {
  return LINUX ? readdirSync('/proc/self/task') : [];
}

function isWaiter(thread: string): boolean {
  // The kernel keeps 15 characters of a name.
  return read(`/proc/self/task/${thread}/comm`).startsWith('codex-image-wai');
}

/** Empty when there is no such thing: threads end by themselves, also between two looks. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
