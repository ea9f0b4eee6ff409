// The search for survivors works: otherwise every assertion that nothing is left would hold.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { describe, expect, onTestFinished, test as base } from 'vitest';

import { rejection } from '../call/abort.js';
import { LINUX, NOWHERE, WINDOWS } from '../platform.js';
import { HANG, RUNNING, turn } from '../stub/steps.js';
import { test } from '../stub/stub.js';
import { POLLING, survivors } from './survivors.js';

/**
 * Starts a process that lives until its stdin ends. Node, because macOS hides the environment of
 * Apple's programs.
 */
async function start(
  options: { env?: NodeJS.ProcessEnv; cwd?: string },
  script = `console.log('up'); process.stdin.resume()`,
): Promise<ChildProcess & { output: string }> {
  const child = spawn(process.execPath, ['--eval', script], {
    stdio: ['pipe', 'pipe', 'ignore'],
    ...options,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [output] = (await once(child.stdout, 'data')) as [Buffer];
  return Object.assign(child, { output: output.toString() });
}

test('survivors lists a stub and its tools until they end', async ({ codex }) => {
  const controller = new AbortController();
  const steps = turn({ do: 'tool', ownSession: true, generations: 2 }, RUNNING, HANG);
  const call = codex.generate(steps, { signal: controller.signal });
  await codex.reached('running');
  expect(codex.survivors().length).toBeGreaterThanOrEqual(3);
  controller.abort('enough');
  expect((await rejection(call)).reason).toBe('enough');
  expect(codex.survivors()).toEqual([]);
});

// Windows shows neither the environment nor the directory of a process.
describe.skipIf(WINDOWS)('the table of processes', () => {
  base('shows a process by the environment it was started with', async () => {
    const marker = randomUUID();
    const { pid } = await start({ env: { ...process.env, MARK: marker } });
    const command = expect.stringMatching(
      /--eval console\.log\('up'\); process\.stdin\.resume\(\)$/,
    );
    expect(survivors(marker, NOWHERE)).toMatchObject([{ pid, command }]);
  });

  base('shows a process by the directory it works in', async () => {
    const directory = await temporaryDirectory();
    const { pid } = await start({ cwd: directory });
    expect(survivors(randomUUID(), directory)).toMatchObject([{ pid }]);
  });

  // How macOS shows such a directory is not documented.
  base.runIf(LINUX)('shows a process by a directory that is gone', async () => {
    const directory = await temporaryDirectory();
    const { pid } = await start({ cwd: directory });
    await rm(directory, { recursive: true });
    expect(survivors(randomUUID(), directory)).toMatchObject([{ pid }]);
  });

  base('does not show a process that has exited', async () => {
    const marker = randomUUID();
    const child = await start({ env: { ...process.env, MARK: marker } });
    child.stdin?.end();
    await once(child, 'exit');
    expect(survivors(marker, NOWHERE)).toEqual([]);
  });

  base('does not show a zombie', async () => {
    const marker = randomUUID();
    // Starts a child that ends at once, and then never waits for it.
    const script = [
      `const { pid } = require('node:child_process').spawn(process.execPath, ['--version'], { stdio: 'ignore' })`,
      `require('node:fs').writeSync(1, String(pid))`,
      `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`,
    ].join('; ');
    const parent = await start({ env: { ...process.env, MARK: marker } }, script);
    await expect
      .poll(() => survivors(marker, NOWHERE).map(({ pid }) => pid), POLLING)
      .toEqual([parent.pid]);
    // The system still has an entry for it.
    expect(() => process.kill(Number(parent.output), 0)).not.toThrow();
  });
});

async function temporaryDirectory(): Promise<string> {
  const directory = await realpath(await mkdtemp(path.join(os.tmpdir(), 'survivors-')));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
