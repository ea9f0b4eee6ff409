// Without the native addon, commands that do not need it work, and the others name it.

import { copyFile, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import { events, run, test, type World } from '../support/cli/command.js';

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** Makes a copy of the package without an addon, as npm leaves it on an unsupported platform. */
async function withoutAddon({ scratch }: World): Promise<string> {
  const home = path.join(scratch, 'package');
  await mkdir(path.join(home, 'dist'), { recursive: true });
  for (const file of ['package.json', 'index.js', 'dist/cli.mjs']) {
    await copyFile(path.join(PACKAGE, file), path.join(home, file));
  }
  return path.join(home, 'dist', 'cli.mjs');
}

test('a call without the addon names what is missing', async ({ world }) => {
  const cli = await withoutAddon(world);
  for (const args of [
    ['a fox'],
    ['--check'],
    ['--recover', '0199d2c4-aaaa-7000-8000-0123456789ab'],
  ]) {
    const { code, stdout, stderr } = await run(world, args, { cli });
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(
      /^codex-image: The native addon of codex-image for \w+-\w+ cannot be loaded\. .*\. \[CODEX_IMAGE_ADDON_UNAVAILABLE\]\n--verbose shows more\.\n$/,
    );
  }
  expect(await readdir(world.scratch)).toEqual(['package']);
});

test('a call without the addon gives the reason with --verbose', async ({ world }) => {
  const cli = await withoutAddon(world);
  const { stderr } = await run(world, ['a fox', '--verbose'], { cli });
  expect(stderr).toMatch(/\n {2}.*native binding/);
});

test('a call without the addon prints an object with --json', async ({ world }) => {
  const outcome = await run(world, ['a fox', '--json'], { cli: await withoutAddon(world) });
  expect(outcome).toMatchObject({ code: 69, stderr: '' });
  expect(events(outcome)).toMatchObject([
    { type: 'error', code: 'CODEX_IMAGE_ADDON_UNAVAILABLE', detail: expect.any(String) },
  ]);
});

test('help, version and wrong arguments work without the addon', async ({ world }) => {
  const cli = await withoutAddon(world);
  expect(await run(world, ['--help'], { cli })).toMatchObject({ code: 0, stderr: '' });
  expect(await run(world, ['--version'], { cli })).toMatchObject({ code: 0, stderr: '' });
  expect(await run(world, ['--frame'], { cli })).toMatchObject({ code: 64 });
});
