// The system calls that start a process: none may copy the page tables of a large daemon.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Row, Section } from '../report.js';
import { makeStubEnvironment, COMPILED_STUB } from '../stubs.js';

const SCRIPT = fileURLToPath(new URL('../children/spawn.mjs', import.meta.url));

const run = promisify(execFile);

export async function spawn(): Promise<Section> {
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
      "The system calls by which one call of the addon, and one of Node's own `spawn`, start " +
      'processes, recorded by `strace`. With `CLONE_VFORK` the child borrows the memory of its ' +
      'parent until it executes its program. Without it, the kernel first copies all page ' +
      'tables, which takes milliseconds for each gigabyte and stops JavaScript meanwhile. The ' +
      'addon starts Codex, and the shell that guards it.',
    rows: [
      row('processes started with `CLONE_VFORK`', 'borrowed'),
      row('processes started by a copy', 'copied', 0),
    ],
  };
}

/** Numbers of processes, by how they were started. */
interface Calls {
  borrowed: number;
  copied: number;
}

async function traced(way: 'ours' | 'node'): Promise<Calls> {
  const callEnv = await makeStubEnvironment(1, 0);
  try {
    const file = path.join(callEnv.directory, 'trace');
    // One file for each thread, so that their lines do not mix.
    const trace = ['-ff', '-qq', '-e', 'trace=clone,clone3,fork,vfork', '-o', file];
    const env = { ...process.env, ...callEnv.env };
    const { stdout } = await run(
      'strace',
      [...trace, process.execPath, SCRIPT, way, COMPILED_STUB],
      {
        env,
      },
    );
    return await callsOf(stdout.trim(), (thread) => readFile(`${file}.${thread}`, 'utf8'));
  } finally {
    await callEnv.remove();
  }
}

/** Counts what the process and its threads started, but not what the stub started. */
async function callsOf(pid: string, traceOf: (thread: string) => Promise<string>): Promise<Calls> {
  const calls: Calls = { borrowed: 0, copied: 0 };
  const threads = [pid];
  for (const thread of threads) {
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
