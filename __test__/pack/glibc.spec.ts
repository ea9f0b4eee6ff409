// A release is checked against the glibc version that the documentation promises.

import { readFileSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, onTestFinished, test, vi } from 'vitest';

import { assertGlibcFloor } from '../../scripts/glibc.mjs';
import { makeHomeDirectory } from '../support/homes.mjs';
import { WINDOWS } from '../support/platform.js';

/** Puts a `readelf` first on PATH that reports these needs. */
async function needs(...versions: string[]): Promise<void> {
  const directory = makeHomeDirectory();
  onTestFinished(() => rm(directory, { recursive: true }));
  const readelf = path.join(directory, 'readelf');
  const lines = versions.map((version) => `echo '  Name: GLIBC_${version}  Flags: none'`);
  await writeFile(readelf, `#!/bin/sh\n${lines.join('\n')}\n`);
  await chmod(readelf, 0o755);
  vi.stubEnv('PATH', [directory, process.env['PATH']].join(path.delimiter));
  onTestFinished(() => void vi.unstubAllEnvs());
}

const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'docs/platforms.md', 'docs/releasing.md'];
const promises = DOCUMENTS.flatMap((name) => {
  const text = readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
  const all = [...text.matchAll(/glibc\s+(?:newer\s+than\s+)?(\d+\.\d+)/g)];
  return all.map(([, version = '']): [string, string] => [name, version]);
});

test('every document promises the same version', () => {
  expect(new Set(promises.map(([name]) => name)).size).toBe(DOCUMENTS.length);
});

test.skipIf(WINDOWS).for(promises)(
  'an addon that needs more is refused: %s promises %s',
  async ([, promise]) => {
    await needs('2.2.5', '2.9', promise);
    expect(() => assertGlibcFloor('addon.node')).not.toThrow();
    const [major, minor = NaN] = promise.split('.').map(Number);
    await needs('2.9', `${major}.${minor + 1}`, promise);
    expect(() => assertGlibcFloor('addon.node')).toThrow(/needs glibc/);
  },
);
