// The looking itself: were it blind, every "nothing is left" would hold.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { survivors } from './survivors.js';

const NOWHERE = '/nowhere';

/** A process that lives until its stdin ends. */
async function start(options: { env?: NodeJS.ProcessEnv; cwd?: string }): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', 'echo up; read line'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    ...options,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

test('sees a process by the environment it was started with', async () => {
  const marker = randomUUID();
  const { pid } = await start({ env: { ...process.env, MARK: marker } });
  expect(survivors(marker, NOWHERE)).toMatchObject([{ pid, command: 'sh -c echo up; read line' }]);
});

test('sees a process by the directory it works in, even one that is gone', async () => {
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), 'survivors-')));
  const { pid } = await start({ cwd: directory });
  expect(survivors(randomUUID(), directory)).toMatchObject([{ pid }]);
  await rm(directory, { recursive: true });
  expect(survivors(randomUUID(), directory)).toMatchObject([{ pid }]);
});

test('does not see the dead', async () => {
  const marker = randomUUID();
  const child = await start({ env: { ...process.env, MARK: marker } });
  child.stdin?.end();
  await once(child, 'exit');
  expect(survivors(marker, NOWHERE)).toEqual([]);
});

test('takes a zombie for dead', async () => {
  const marker = randomUUID();
  // The child ends as soon as a program that never waits for it has taken its parent's place.
  const child = 'until ps -o comm= -p $PPID | grep -q sleep; do :; done';
  const script = `sh -c '${child}' & echo $!; exec sleep 60`;
  const parent = spawn('sh', ['-c', script], {
    env: { ...process.env, MARK: marker },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const [output] = (await once(parent.stdout, 'data')) as [Buffer];
  const zombie = Number(output.toString());
  await expect.poll(() => survivors(marker, NOWHERE).map(({ pid }) => pid)).toEqual([parent.pid]);
  // It is still there to be seen by whoever looks less closely.
  expect(() => process.kill(zombie, 0)).not.toThrow();
});
