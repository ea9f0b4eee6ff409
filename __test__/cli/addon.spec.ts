// Without the native addon, commands that do not need it work, and the others name it.

import { cp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import { events, run, test, type CommandEnvironment } from '../support/cli/command.js';
import { withClient } from '../support/mcp/client.js';

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** Makes a copy of the package without an addon. `loading.spec.ts` has the other reasons. */
async function withoutAddon({ scratch }: CommandEnvironment): Promise<string> {
  const home = path.join(scratch, 'package');
  for (const name of ['package.json', 'index.js', 'loader', 'dist/cli.mjs', 'dist/mcp.mjs']) {
    await cp(path.join(PACKAGE, name), path.join(home, name), { recursive: true });
  }
  return path.join(home, 'dist', 'cli.mjs');
}

test('a call without the addon names what is missing', async ({ commandEnv }) => {
  const cli = await withoutAddon(commandEnv);
  for (const args of [
    ['a fox'],
    ['--check'],
    ['--recover', '0199d2c4-aaaa-7000-8000-0123456789ab'],
  ]) {
    const { code, stdout, stderr } = await run(commandEnv, args, { cli });
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(
      /^codex-image: The package codex-image-[\w-]+, which codex-image needs here, is not installed: .*\. \[CODEX_IMAGE_ADDON_UNAVAILABLE\]\n$/,
    );
  }
  expect(await readdir(commandEnv.scratch)).toEqual(['package']);
});

test("a call without the addon gives the system's own words with --verbose", async ({
  commandEnv,
}) => {
  const cli = await withoutAddon(commandEnv);
  const env = { CODEX_IMAGE_ADDON_PATH: cli };
  const { stderr } = await run(commandEnv, ['a fox'], { cli, env });
  expect(stderr).toMatch(/^codex-image: The addon cli\.mjs cannot be loaded: .*\n--verbose shows/);
  const { stderr: more } = await run(commandEnv, ['a fox', '--verbose'], { cli, env });
  expect(more).toMatch(/\n {2}.*\bcli\.mjs\b/);
});

test('a call without the addon prints an object with --json', async ({ commandEnv }) => {
  const outcome = await run(commandEnv, ['a fox', '--json'], {
    cli: await withoutAddon(commandEnv),
  });
  expect(outcome).toMatchObject({ code: 69, stderr: '' });
  expect(events(outcome)).toMatchObject([
    {
      type: 'error',
      code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
      message: expect.stringContaining('is not installed'),
      fix: expect.stringMatching(/^Install codex-image again/),
    },
  ]);
});

test('help, version and wrong arguments work without the addon', async ({ commandEnv }) => {
  const cli = await withoutAddon(commandEnv);
  expect(await run(commandEnv, ['--help'], { cli })).toMatchObject({ code: 0, stderr: '' });
  expect(await run(commandEnv, ['--version'], { cli })).toMatchObject({ code: 0, stderr: '' });
  expect(await run(commandEnv, ['--frame'], { cli })).toMatchObject({ code: 64 });
});

// Every addon that napi-rs's own loader loads heeds it.
test('a variable that names the addon of another package is ignored', async ({ commandEnv }) => {
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: process.execPath };
  const { stdout } = await run(commandEnv, ['--check'], { env });
  expect(stdout.toString()).toMatch(/eady to draw/);
});

test('the MCP server works without the addon, and its tools name what is missing', async ({
  commandEnv,
}) => {
  const cli = await withoutAddon(commandEnv);
  const [checked, drawn] = await withClient(commandEnv, { cli }, async (client) => [
    await client.call('check_codex'),
    await client.call('generate_image', { prompt: 'a fox' }),
  ]);
  const problem = {
    code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
    message: expect.stringMatching(/^The package codex-image-[\w-]+, .* is not installed: .*\.$/),
  };
  expect(checked?.structuredContent).toMatchObject({ ready: false, problems: [problem] });
  expect(drawn?.isError).toBe(true);
  expect(drawn?.structuredContent).toMatchObject({ images: [], failures: [problem] });
});
