// Finds what a run left behind, by facts the run cannot shed: the environment a process was started
// with and the directory it works in. A zombie is dead; it only waits to be counted.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Survivor {
  pid: number;
  command: string;
}

/** Live processes that carry `marker` in their environment or work below `directory`. */
export function survivors(marker: string, directory: string): Survivor[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .filter((pid) => isAlive(pid) && (carries(pid, marker) || worksBelow(pid, directory)))
    .map((pid) => ({ pid, command: read(pid, 'cmdline').replaceAll('\0', ' ').trim() }));
}

function isAlive(pid: number): boolean {
  const state = /^State:\s+(\S)/m.exec(read(pid, 'status'))?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function carries(pid: number, marker: string): boolean {
  return read(pid, 'environ').includes(marker);
}

function worksBelow(pid: number, directory: string): boolean {
  try {
    const cwd = readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
    return `${cwd}/`.startsWith(`${directory}/`);
  } catch {
    return false;
  }
}

/** Empty when the process is gone: between two looks any process may end. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
