// File systems without hard links, such as FAT. `link` is mocked, because no machine certainly has
// one.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { test as base, expect, vi } from 'vitest';

import { save } from '../../bin/output.mjs';
import { PICTURE } from '../support/image/small-png.js';

const refusal = vi.hoisted(() => ({ code: '' }));
vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  link: () => Promise.reject(Object.assign(new Error('not supported'), refusal)),
}));

/** The error codes of Linux, of macOS, and of libuv on Windows; the last one is made up. */
const REFUSALS = [
  'EPERM',
  'EACCES',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EXDEV',
  'EMLINK',
  'EINVAL',
  'EISDIR',
  'UNKNOWN',
  'EOTHER',
];

const unexpected = (warning: string) => expect.unreachable(warning);

const test = base.extend<{ directory: string }>({
  // vitest reads a fixture's needs off its first parameter.
  // oxlint-disable-next-line no-empty-pattern
  directory: async ({}, use) => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'without-links-'));
    await use(directory);
    await rm(directory, { recursive: true });
  },
});

test.for(REFUSALS)('an image gets its name without hard links: %s', async (code, { directory }) => {
  refusal.code = code;
  const file = path.join(directory, 'fox.png');
  expect(await save(PICTURE, { file, force: false, anyName: false }, unexpected)).toBe(file);
  expect(await readFile(file)).toEqual(PICTURE);
  expect(await readdir(directory)).toEqual(['fox.png']);
});

test.for(REFUSALS)(
  'an image replaces no file without hard links: %s',
  async (code, { directory }) => {
    refusal.code = code;
    const file = path.join(directory, 'fox.png');
    await writeFile(file, 'mine');
    const beside = path.join(directory, 'fox-2.png');
    expect(await save(PICTURE, { file, force: false, anyName: false }, unexpected)).toBe(beside);
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect(await readFile(beside)).toEqual(PICTURE);
    expect((await readdir(directory)).toSorted()).toEqual(['fox-2.png', 'fox.png']);
  },
);
