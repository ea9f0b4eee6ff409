// Finds what a run left behind, by facts the run cannot shed: the environment a process was started
// with and the directory it works in. A zombie is dead; it only waits to be counted.

import { type Process, processes } from './processes.js';

export interface Survivor {
  pid: number;
  command: string;
  parent: number;
  /** As in {@link Process}. */
  state: string;
}

/** Live processes that carry `marker` in their environment or work below `directory`. */
export function survivors(marker: string, directory: string): Survivor[] {
  return processes()
    .filter(({ pid, state }) => pid !== process.pid && state !== 'Z')
    .filter((candidate) => candidate.carries(marker) || worksBelow(candidate, directory))
    .map(({ pid, command, parent, state }) => ({ pid, command, parent, state }));
}

function worksBelow(candidate: Process, directory: string): boolean {
  return `${candidate.cwd() ?? ''}/`.startsWith(`${directory}/`);
}
