// Resources that this process holds for its calls. Listeners, sockets and files of the test runner
// come and go, so only what grows and stays counts.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { LINUX, WINDOWS } from '../platform.js';
import { childrenOf } from './processes.js';

export interface Footprint {
  /** Open file descriptors. */
  descriptors: number;
  /**
   * Threads of the addon that wait for one child each, where threads have names. The runtime keeps
   * its own for the next call.
   */
  waiters: number;
  /** Child processes, zombies included. */
  children: number;
}

export function footprint(): Footprint {
  // Windows does not tell a process its descriptors and threads.
  if (WINDOWS) return { descriptors: 0, waiters: 0, children: 0 };
  return {
    descriptors: readdirSync('/dev/fd').length,
    waiters: threads().filter(isWaiter).length,
    children: childrenOf(process.pid).length,
  };
}

/**
 * Returns what is held and was not before: nothing, if all is well. Retries, because another thread
 * may be about to release something.
 */
export async function heldSince(before: Footprint): Promise<Partial<Footprint>> {
  const deadline = performance.now() + 5000;
  let more = excess(footprint(), before);
  while (Object.keys(more).length > 0 && performance.now() < deadline) {
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

/** Empty if it does not exist: threads may end between two reads. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
