// `npm run rehearse` with workflows that are written here: which steps run, in which environment,
// and what the result is.

import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { test as base, describe, expect, onTestFinished } from 'vitest';
import { stringify } from 'yaml';

import { LINUX } from '../support/platform.js';
import { root } from './release.js';

interface Rehearsal {
  code: number;
  /** Lines of stdout from the list of the jobs on. */
  results: string[];
  stdout: string;
  stderr: string;
}

type Job = Record<string, unknown> & { steps: Record<string, unknown>[] };

/** What `npm run` adds to the PATH. */
const OF_NPM = path.join(root, 'node_modules', '.bin');
const CHECKOUT = { uses: 'actions/checkout@v6' };

/** A job of these scripts. */
const job = (...scripts: string[]): Job => ({
  name: 'A job',
  'runs-on': 'ubuntu-24.04',
  steps: [CHECKOUT, ...scripts.map((run) => ({ run }))],
});

const test = base.extend<{ rehearse: (jobs: Record<string, Job>) => Promise<Rehearsal> }>({
  // vitest reads a fixture's needs off its first parameter.
  // oxlint-disable-next-line no-empty-pattern
  rehearse: async ({}, use) => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'rehearsal-spec-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const bin = path.join(directory, 'bin');
    const checkout = path.join(directory, 'package');
    const workflows = path.join(checkout, '.github', 'workflows');
    await mkdir(bin);
    await mkdir(workflows, { recursive: true });
    await writeFile(path.join(bin, 'rustup'), '#!/bin/sh\necho "the real rustup $*"\n');
    await chmod(path.join(bin, 'rustup'), 0o755);
    await cp(path.join(root, 'scripts'), path.join(checkout, 'scripts'), { recursive: true });
    await symlink(path.join(root, 'node_modules'), path.join(checkout, 'node_modules'));
    await writeFile(
      path.join(checkout, 'package.json'),
      '{ "version": "1.2.3", "type": "module" }',
    );
    await writeFile(path.join(checkout, '.gitignore'), 'node_modules\n');
    const git = async (...args: string[]) => {
      const identity = ['-c', 'user.name=x', '-c', 'user.email=x'];
      const { code, stderr } = await runIn(checkout, 'git', [...identity, ...args]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    };
    await git('init', '--quiet', '--initial-branch=main');
    await use(async (jobs) => {
      await writeFile(path.join(workflows, 'ci.yml'), stringify({ name: 'CI', jobs }));
      await git('add', '--all');
      await git('commit', '--quiet', '--message=x');
      const outcome = await runIn(checkout, process.execPath, ['scripts/rehearse.mjs'], {
        PATH: [OF_NPM, bin, process.env['PATH']].join(':'),
        CODEX_BIN: '/of/the/user',
        RUSTFLAGS: '--of-the-user',
        npm_execpath: '/of/npm',
        INIT_CWD: '/of/npm',
      });
      const [list = ''] = outcome.stdout.split('\n\n').slice(-1);
      return { ...outcome, results: list.trimEnd().split('\n') };
    });
  },
});

/** Runs a program without the settings that git and the locale of this machine have. */
async function runIn(cwd: string, program: string, args: string[], env = {}) {
  const own = Object.entries(process.env).filter(([name]) => !/^(?:GIT_|LC_|LANG)/.test(name));
  const git = { GIT_CONFIG_GLOBAL: os.devNull, GIT_CONFIG_NOSYSTEM: '1' };
  const options = { cwd, env: { ...Object.fromEntries(own), ...git, ...env } };
  return new Promise<Omit<Rehearsal, 'results'>>((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      // `code` is null after a signal.
      resolve({ code: error === null ? 0 : Number(error.code ?? NaN), stdout, stderr });
    });
  });
}

describe.runIf(LINUX)('a rehearsal', () => {
  test('runs the steps in order in a clone, with the values of the matrix', async ({
    rehearse,
  }) => {
    const { code, results, stdout } = await rehearse({
      one: {
        name: 'Node ${{ matrix.node }}',
        'runs-on': 'ubuntu-24.04',
        strategy: { matrix: { node: [20, 22] } },
        env: { NODE_VERSION: '${{ matrix.node }}' },
        steps: [
          CHECKOUT,
          { run: 'test -d .git && echo $NODE_VERSION > made' },
          { run: 'echo "made for $(cat made)"' },
          { if: '${{ failure() }}', run: 'exit 1' },
          { if: "${{ matrix.node == '22' }}", run: 'echo only in the second row' },
        ],
      },
    });
    expect(stdout).toMatch(/made for 20[^]*made for 22[^]*only in the second row/);
    expect(stdout.match(/only in the second row\n\n/g)).toHaveLength(1);
    expect(results).toEqual([
      'ci/one (Node 20): passed',
      'ci/one (Node 22): passed',
      '2 passed, 0 failed, 0 not here',
    ]);
    expect(code).toBe(0);
  });

  test('fails where a step fails, and runs the other jobs', async ({ rehearse }) => {
    const { code, results, stdout, stderr } = await rehearse({
      one: job('exit 3', 'echo not reached'),
      two: job('true'),
    });
    expect(results).toEqual([
      'ci/one (A job): failed',
      'ci/two (A job): passed',
      '1 passed, 1 failed, 0 not here',
    ]);
    expect(stdout).not.toMatch(/^not reached$/m);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'Not every job passed.\n' });
  });

  test('lists what cannot run here', async ({ rehearse }) => {
    const { code, results } = await rehearse({
      one: job('true'),
      mac: { ...job('true'), 'runs-on': 'macos-15' },
      publishing: { ...job('true'), permissions: { contents: 'write' } },
      lacking: job('rustup update'),
    });
    expect(results).toEqual([
      'ci/one (A job): passed',
      'ci/mac (A job): not here: it needs macos-15',
      'ci/publishing (A job): not here: it publishes',
      'ci/lacking (A job): not here: it lacks rustup update',
      '1 passed, 0 failed, 3 not here',
    ]);
    expect(code).toBe(0);
  });

  test('fails where no job can run', async ({ rehearse }) => {
    const { code, stderr } = await rehearse({ lacking: job('rustup update') });
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'No job can run here.\n' });
  });

  test('takes no failure for a lack that an earlier step has coped with', async ({ rehearse }) => {
    const { code, results } = await rehearse({ one: job('rustup update || true', 'exit 1') });
    expect(results[0]).toBe('ci/one (A job): failed');
    expect(code).toBe(1);
  });

  test('asks the real rustup what is installed', async ({ rehearse }) => {
    const { code, stdout } = await rehearse({ one: job('rustup target list --installed') });
    expect(stdout).toContain('\nthe real rustup target list --installed\n');
    expect(code).toBe(0);
  });

  test('hides the variables and programs of its caller', async ({ rehearse }) => {
    const variables = 'test -z "${CODEX_BIN-}${RUSTFLAGS-}${npm_execpath-}${INIT_CWD-}"';
    const programs = `case :$PATH: in *:${OF_NPM}:*) exit 1 ;; esac`;
    expect(await rehearse({ one: job(variables, programs) })).toMatchObject({ code: 0 });
  });

  test.for<[what: string, jobs: Record<string, Job>, reason: RegExp]>([
    [
      'of a job',
      { one: { ...job('true'), if: 'false' } },
      /ci\/one has an unknown key of a job: if/,
    ],
    [
      'of a step',
      { one: { ...job(), steps: [{ run: 'false', 'continue-on-error': true }] } },
      /ci\/one has an unknown key of a step: continue-on-error/,
    ],
  ])('ignores no key %s', async ([, jobs, reason], { rehearse }) => {
    const { code, stderr } = await rehearse(jobs);
    expect(stderr).toMatch(reason);
    expect(code).toBe(1);
  });
});
