// Finds processes of a call by what they cannot change: the environment they were started with and
// their working directory. Zombies count as dead.
//
// Windows shows neither: there the stub and each of its tools hold a file exclusively.

import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { MACOS, WINDOWS } from '../platform.js';
import { type Process, processes } from './processes.js';

export interface Survivor {
  pid: number;
  command: string;
  parent: number;
  /** As in {@link Process}. */
  state: string;
}

/**
 * Waits with `expect.poll` for the end of processes, as long as a busy machine needs. On macOS each
 * scan starts three programs, which read the table of all processes.
 */
export const POLLING = { timeout: 30_000, interval: MACOS ? 500 : 20 };

/**
 * Returns live processes that have `marker` in their environment or work below `directory`, on
 * Windows those that hold a file in its `controlDir`.
 */
export function survivors(marker: string, directory: string): Survivor[] {
  if (WINDOWS) return holders(path.join(directory, 'control'));
  return processes()
    .filter(({ pid, state }) => pid !== process.pid && state !== 'Z')
    .filter((candidate) => candidate.carries(marker) || worksBelow(candidate, directory))
    .map(({ pid, command, parent, state }) => ({ pid, command, parent, state }));
}

function worksBelow(candidate: Process, directory: string): boolean {
  return `${candidate.cwd() ?? ''}/`.startsWith(`${directory}/`);
}

function holders(controlDir: string): Survivor[] {
  const names = existsSync(controlDir)
    ? readdirSync(controlDir).filter((name) => name.endsWith('.held'))
    : [];
  return names
    .filter((name) => isHeld(path.join(controlDir, name)))
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

/** The file of a process that has just ended may still be held. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
