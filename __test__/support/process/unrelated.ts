// A process that works in a directory and belongs to no call.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { onTestFinished } from 'vitest';

/** Starts a process that works in `directory`, which Windows then cannot remove. */
export async function workIn(directory: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'console.log(); setInterval(() => {}, 1000)'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}
