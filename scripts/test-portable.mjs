// The tests that need nothing but Node and an addon, on this machine. CODEX_IMAGE_ADDON_PATH
// may name an addon other than that of `npm run build`, STUB_PROGRAM a built stub of Codex.

import path from 'node:path';

import { cargo, ensureAddon, ensureDependencies, main, root, run } from './bootstrap.mjs';

const STUB = `stub-codex${process.platform === 'win32' ? '.exe' : ''}`;

await main(async () => {
  // With a given addon nothing has to be installed or built.
  if (process.env['CODEX_IMAGE_ADDON_PATH'] === undefined) {
    await ensureDependencies();
    await ensureAddon();
  }
  if (process.env['STUB_PROGRAM'] === undefined) {
    await cargo('build', '--locked', '--example', 'stub-codex');
    process.env['STUB_PROGRAM'] = path.join(root, 'target', 'debug', 'examples', STUB);
  }
  Object.assign(process.env, {
    EXPECTED_PLATFORM: `${process.platform}-${process.arch}`,
    NODE_COMMAND: JSON.stringify([process.execPath]),
  });
  const tests = path.join('__test__', 'emulated', 'generation.test.mjs');
  await run(process.execPath, ['--test-reporter=spec', tests]);
});
