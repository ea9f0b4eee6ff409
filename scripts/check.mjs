// `npm run check`: everything a change has to pass but the tests, cheapest first.

import { buildAddon, buildDist, cargo, ensureDependencies, main, run, tool } from './bootstrap.mjs';

/** @type {[title: string, check: () => Promise<void>][]} */
const CHECKS = [
  ['Format', () => tool('prettier', '--check', '.')],
  ['Format (Rust)', () => cargo('fmt', '--check')],
  ['Lint', () => tool('oxlint', '--deny-warnings')],
  ['Lint (workflows)', () => run(process.execPath, ['scripts/lint-workflows.mjs'])],
  ['Links of the documentation', () => run(process.execPath, ['scripts/lint-links.mjs'])],
  ['Lint (Rust)', () => cargo('clippy', '--all-targets', '--', '-D', 'warnings')],
  [
    'Lint (fuzz targets)',
    () => cargo('clippy', '--locked', '--manifest-path', 'fuzz/Cargo.toml', '--', '-D', 'warnings'),
  ],
  ['Build', () => buildAddon('--release')],
  [
    'Generated files are the committed ones',
    () => run('git', ['diff', '--exit-code', '--stat', '--', 'index.js', 'index.d.ts']),
  ],
  ['Build (TypeScript)', () => buildDist()],
  ['API reference', () => tool('typedoc')],
  [
    'The API reference is the committed one',
    () => run('git', ['diff', '--exit-code', '--stat', '--', 'docs/api']),
  ],
  ['Types', () => tool('typescript', '--project', '.')],
  ['Types, as consumers see them', () => tool('typescript', '--project', '__test__/types')],
  ['Package', () => tool('publint', '--strict')],
  [
    'Package, as resolvers see it',
    () => tool('@arethetypeswrong/cli', '--pack', '.', '--profile', 'node16'),
  ],
];

await main(async () => {
  await ensureDependencies();
  for (const [title, check] of CHECKS) {
    console.log(`\n── ${title}`);
    await check();
  }
});
