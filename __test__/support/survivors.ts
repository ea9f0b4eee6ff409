// Finds what a run left behind, by facts the run cannot shed: the environment a process was started
// with and the directory it works in. A zombie is dead; it only waits to be counted.
//
// Windows shows neither. There the stub and each of its tools hold a file, alone, for as long as they live.

import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { WINDOWS } from './platform.js';
import { type Process, processes } from './processes.js';

export interface Survivor {
  pid: number;
  command: string;
  parent: number;
  /** As in {@link Process}. */
  state: string;
}

/** Live processes that carry `marker` in their environment or work below `directory`; on Windows those with a file on its `desk`. */
export function survivors(marker: string, directory: string): Survivor[] {
  if (WINDOWS) return holders(path.join(directory, 'desk'));
  return processes()
    .filter(({ pid, state }) => pid !== process.pid && state !== 'Z')
    .filter((candidate) => candidate.carries(marker) || worksBelow(candidate, directory))
    .map(({ pid, command, parent, state }) => ({ pid, command, parent, state }));
}

function worksBelow(candidate: Process, directory: string): boolean {
  return `${candidate.cwd() ?? ''}/`.startsWith(`${directory}/`);
}

function holders(desk: string): Survivor[] {
  const names = existsSync(desk) ? readdirSync(desk).filter((name) => name.endsWith('.held')) : [];
  return names
    .filter((name) => isHeld(path.join(desk, name)))
    .map((name) => Number.parseInt(name, 10))
    .filter(isAlive)
    .map((pid) => ({ pid, command: 'the stub, or a tool of its', parent: NaN, state: 'R' }));
}

function isHeld(file: string): boolean {
  try {
    closeSync(openSync(file, 'r'));
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return true;
    throw error;
  }
}

/** The file of a process that has just died may still be held. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
