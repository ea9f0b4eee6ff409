// How a process comes to be: a daemon of 2 GB must not be copied for it.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Row, Section } from '../report.js';
import { makeStubPlace, STUB } from '../stubs.js';

const SCRIPT = fileURLToPath(new URL('../children/spawn.mjs', import.meta.url));

const run = promisify(execFile);

export async function spawning(): Promise<Section> {
  const [ours, theirs] = [await traced('ours'), await traced('node')];
  const row = (what: string, kind: keyof Calls, most?: number): Row => ({
    what,
    ours: ours[kind],
    peer: { name: "Node's `spawn`", value: theirs[kind] },
    compared: 'difference',
    ...(most !== undefined && { limit: { of: 'ours', most } }),
    runs: 1,
  });
  return {
    title: 'Starting a process',
    text:
      "The system calls by which one call of the addon, and one of Node's own `spawn`, make new processes, as `strace` sees them. With " +
      '`CLONE_VFORK` the child borrows the memory of its parent until it executes its program; without, the tables of all of it are ' +
      'copied first, which takes milliseconds a gigabyte and stops JavaScript meanwhile. Ours are Codex and the shell that guards it.',
    rows: [
      row('processes started with `CLONE_VFORK`', 'borrowed'),
      row('processes started by a copy', 'copied', 0),
    ],
  };
}

/** Processes by the way in which they were started. */
interface Calls {
  borrowed: number;
  copied: number;
}

async function traced(way: 'ours' | 'node'): Promise<Calls> {
  const place = await makeStubPlace(1, 0);
  try {
    const file = path.join(place.directory, 'trace');
    // A file for each thread, so that no line is torn by another's.
    const trace = ['-ff', '-qq', '-e', 'trace=clone,clone3,fork,vfork', '-o', file];
    const env = { ...process.env, ...place.env };
    const { stdout } = await run('strace', [...trace, process.execPath, SCRIPT, way, STUB], {
      env,
    });
    return await callsOf(stdout.trim(), (thread) => readFile(`${file}.${thread}`, 'utf8'));
  } finally {
    await place.remove();
  }
}

/** Those of the process and its threads; what the stub does is its own affair. */
async function callsOf(pid: string, traceOf: (thread: string) => Promise<string>): Promise<Calls> {
  const calls: Calls = { borrowed: 0, copied: 0 };
  const threads = [pid];
  for (const thread of threads) {
    // oxlint-disable-next-line no-await-in-loop -- each may name more of them.
    for (const line of (await traceOf(thread)).split('\n')) {
      const made = /^(?:clone3?|v?fork)\(.*\)\s+= (\d+)/.exec(line)?.[1];
      if (made === undefined) continue;
      if (line.includes('CLONE_THREAD')) threads.push(made);
      else if (/CLONE_VFORK|^vfork/.test(line)) calls.borrowed += 1;
      else calls.copied += 1;
    }
  }
  return calls;
}
