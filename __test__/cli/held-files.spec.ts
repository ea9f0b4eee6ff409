// Files that another program holds while the image is written, as virus scanners on Windows do. The
// calls that it makes fail are mocked, because no machine certainly has one.

import { mkdtemp, readdir, readFile, rm as removeFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { test as base, describe, expect, vi } from 'vitest';

import { prepare, save } from '../../bin/output.mjs';
import { PICTURE } from '../support/image/small-png.js';

type Operation = 'copyFile' | 'link' | 'rename' | 'rm';

/** The error of each operation, and how many times it still fails. */
const failures = vi.hoisted(() => new Map<string, { code: string; times: number }>());

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const failing =
    <Args extends unknown[], Result>(name: Operation, call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      const failure = failures.get(name);
      if (failure === undefined || failure.times === 0) return call(...args);
      failure.times -= 1;
      throw Object.assign(new Error(`${name} failed`), { code: failure.code });
    };
  return {
    ...real,
    copyFile: failing('copyFile', real.copyFile),
    link: failing('link', real.link),
    rename: failing('rename', real.rename),
    rm: failing('rm', real.rm),
  };
});

function fail(name: Operation, code: string, times = Infinity): void {
  failures.set(name, { code, times });
}

const test = base.extend<{ directory: string }>({
  // vitest reads a fixture's needs off its first parameter.
  // oxlint-disable-next-line no-empty-pattern
  directory: async ({}, use) => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'held-files-'));
    await use(directory);
    failures.clear();
    await removeFile(directory, { recursive: true });
  },
});

/** Saves the image as `fox.png`, and returns its path and the warnings. */
async function saved(directory: string, { force = false } = {}) {
  const warnings: string[] = [];
  const destination = { file: path.join(directory, 'fox.png'), force, anyName: false };
  const file = await save(PICTURE, destination, (warning) => warnings.push(warning));
  return { file: path.relative(directory, file), warnings };
}

const TEMPORARY = expect.stringMatching(/^\.codex-image-.*\.tmp$/);

describe.for(['EPERM', 'EACCES', 'EBUSY', 'UNKNOWN'])('a file that is held: %s', (code) => {
  test('is replaced once it is free', async ({ directory }) => {
    await writeFile(path.join(directory, 'fox.png'), 'old');
    fail('rename', code, 5);
    expect(await saved(directory, { force: true })).toEqual({ file: 'fox.png', warnings: [] });
    expect(await readFile(path.join(directory, 'fox.png'))).toEqual(PICTURE);
    expect(await readdir(directory)).toEqual(['fox.png']);
  });

  test('is moved once it is free, without hard links', async ({ directory }) => {
    fail('link', 'EPERM');
    fail('rename', code, 5);
    fail('copyFile', 'EIO');
    expect(await saved(directory)).toEqual({ file: 'fox.png', warnings: [] });
    expect(await readFile(path.join(directory, 'fox.png'))).toEqual(PICTURE);
    expect(await readdir(directory)).toEqual(['fox.png']);
  });

  test('is removed once it is free', async ({ directory }) => {
    fail('rm', code, 5);
    expect(await saved(directory)).toEqual({ file: 'fox.png', warnings: [] });
    expect(await readdir(directory)).toEqual(['fox.png']);
  });

  test('is removed by the check of the directory once it is free', async ({ directory }) => {
    fail('rm', code, 5);
    const file = path.join(directory, 'fox.png');
    await prepare({ file, force: false, toStdout: false }, 'a fox');
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('a temporary file that cannot be removed', () => {
  test('leaves the success as it is, with a warning', async ({ directory }) => {
    fail('rm', 'EBUSY');
    const { file, warnings } = await saved(directory);
    expect(file).toBe('fox.png');
    expect(await readFile(path.join(directory, 'fox.png'))).toEqual(PICTURE);
    const [temporary = '', ...others] = (await readdir(directory)).toSorted();
    expect([temporary, others]).toEqual([TEMPORARY, ['fox.png']]);
    expect(warnings).toEqual([`${path.join(directory, temporary)} could not be removed.`]);
  });

  test('leaves the error as it is', async ({ directory }) => {
    await writeFile(path.join(directory, 'fox.png'), 'old');
    fail('rename', 'EIO');
    fail('rm', 'EBUSY');
    await expect(saved(directory, { force: true })).rejects.toThrow('rename failed');
    expect(await readFile(path.join(directory, 'fox.png'), 'utf8')).toBe('old');
  });
});

describe('without hard links and renaming', () => {
  test('the image is copied', async ({ directory }) => {
    fail('link', 'EXDEV');
    fail('rename', 'EXDEV');
    expect(await saved(directory)).toEqual({ file: 'fox.png', warnings: [] });
    expect(await readFile(path.join(directory, 'fox.png'))).toEqual(PICTURE);
    expect(await readdir(directory)).toEqual(['fox.png']);
  });

  test('nothing is left if it cannot be copied', async ({ directory }) => {
    fail('link', 'EXDEV');
    fail('rename', 'EXDEV');
    fail('copyFile', 'ENOSPC');
    await expect(saved(directory)).rejects.toThrow('copyFile failed');
    expect(await readdir(directory)).toEqual([]);
  });
});

test('a file that stays held is given up after a second', async ({ directory }) => {
  await writeFile(path.join(directory, 'fox.png'), 'old');
  fail('rename', 'EBUSY');
  const began = performance.now();
  await expect(saved(directory, { force: true })).rejects.toThrow('rename failed');
  expect(performance.now() - began).toBeGreaterThanOrEqual(1000);
  expect(await readdir(directory)).toEqual(['fox.png']);
});
