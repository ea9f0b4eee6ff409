// `npm run test:portable`: the tests that need nothing but Node and an addon, on this very machine. NAPI_RS_NATIVE_LIBRARY_PATH
// names an addon other than the one that `npm run build` made; STUB_PROGRAM a stub of Codex that is already built.

import path from 'node:path';

import { cargo, ensureAddon, ensureDependencies, main, root, run } from './bootstrap.mjs';

const STUB = `stub-codex${process.platform === 'win32' ? '.exe' : ''}`;

await main(async () => {
  // Where the addon is given, nothing else is installed.
  if (process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] === undefined) {
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
