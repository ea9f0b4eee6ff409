// What the other scripts stand on: from a fresh clone to a machine that is ready to run, with
// nothing but Node and a Rust toolchain. Only Node's own modules may be imported here, because
// `node_modules` may not exist yet.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Everything the native addon is made from; a change to any of these makes it stale. */
const ADDON_SOURCES = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'package.json', 'src'];
/** Everything that `dist/` is made from. */
const DIST_SOURCES = [
  'tsdown.config.mts',
  'tsconfig.json',
  'package-lock.json',
  'bin',
  'open-design',
  // The demo backend is the tests' own.
  '__test__/support/loopback.ts',
  '__test__/support/loopback',
  '__test__/support/picture.ts',
];

/** A step that failed after explaining itself on its own output. */
export class StepFailed extends Error {
  /** @param {string} what @param {number} exitCode */
  constructor(what, exitCode) {
    super(`${what} failed`);
    this.exitCode = exitCode;
  }
}

/** What the caller of a script can mend. Its message is all they are shown. */
export class UserError extends Error {}

/**
 * Runs a script's body; a failed step ends the process with that step's exit code, and adds nothing
 * to its output: the last lines belong to the tool that spoke last. Refusals and programs that are
 * not installed are told in one sentence.
 *
 * @param {() => Promise<void>} body
 */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (error instanceof StepFailed) {
      process.exitCode = error.exitCode;
      return;
    }
    const sentence = error instanceof UserError ? error.message : missingProgram(error);
    if (sentence === undefined) throw error;
    console.error(sentence);
    process.exitCode = 1;
  }
}

/**
 * Runs a program on this terminal, from the root of the package, and waits for it.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ shell?: boolean, env?: NodeJS.ProcessEnv, stdio?: import('node:child_process').StdioOptions }} [options]
 */
export async function run(
  program,
  args,
  { shell = false, env = process.env, stdio = 'inherit' } = {},
) {
  const child = spawn(program, args, { cwd: root, stdio, shell, env });
  // Ctrl-C reaches the child by itself. Staying alive until it has cleaned up keeps the shell's
  // prompt from coming back while the child still writes.
  const wait = () => {};
  const pass = () => child.kill('SIGTERM');
  process.on('SIGINT', wait).on('SIGTERM', pass);
  try {
    const exitCode = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
    });
    if (exitCode !== 0) throw new StepFailed([program, ...args].join(' '), exitCode);
  } finally {
    process.off('SIGINT', wait).off('SIGTERM', pass);
  }
}

/**
 * Runs a development dependency's command (its first, where it has several). The script behind it is
 * started by this very Node: no shell, hence no quoting, on any platform.
 *
 * @param {string} name of the package
 * @param {...string} args
 */
export async function tool(name, ...args) {
  const directory = path.join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8'));
  const script = typeof bin === 'string' ? bin : Object.values(bin)[0];
  await run(process.execPath, [path.join(directory, script), ...args]);
}

/** @param {...string} args */
export async function cargo(...args) {
  await run('cargo', args);
}

/** Installs the development dependencies when they are missing or older than the lock file. */
export async function ensureDependencies() {
  const installed = modified('node_modules/.package-lock.json');
  if (installed < modified('package-lock.json')) await npm('ci');
}

/** @param {...string} args */
export async function npm(...args) {
  // Under `npm run` npm names its own script; started by hand, it has to be on PATH, and on Windows
  // that is a batch file, which needs a shell.
  const script = process.env['npm_execpath'];
  if (script?.endsWith('.js')) await run(process.execPath, [script, ...args]);
  else await run('npm', args, { shell: process.platform === 'win32' });
}

/** Builds the release addon when there is none, or one older than its sources. */
export async function ensureAddon() {
  const ours = `codex-image.${process.platform}-${process.arch}`;
  const built = readdirSync(root).filter((name) => name.startsWith(ours) && name.endsWith('.node'));
  const newest = Math.max(0, ...built.map((name) => modified(name)));
  if (newest < newestOf(ADDON_SOURCES)) await buildAddon('--release');
}

/** Builds `dist/` when it is missing or older than its sources. */
export async function ensureDist() {
  if (modified('dist/cli.mjs') < newestOf(DIST_SOURCES)) await buildDist();
}

/**
 * Builds the addon and writes `index.js` and `index.d.ts`.
 *
 * @param {...string} args of `napi build`
 */
export async function buildAddon(...args) {
  // Const enums would be unusable for consumers that compile file by file (`isolatedModules`).
  await tool('@napi-rs/cli', 'build', '--platform', '--no-const-enum', ...args);
}

/** Builds the published TypeScript: `open-design/` and the command line. */
export async function buildDist() {
  await tool('tsdown', '--log-level', 'warn');
}

/** @param {readonly string[]} names relative to the root */
function newestOf(names) {
  return Math.max(...names.map((name) => modified(name)));
}

/**
 * When a file, or the newest file below a directory, was last written; never, if there is none.
 *
 * @param {string} name relative to the root
 * @returns {number}
 */
function modified(name) {
  const stats = statSync(path.join(root, name), { throwIfNoEntry: false });
  if (!stats) return 0;
  if (!stats.isDirectory()) return stats.mtimeMs;
  const entries = readdirSync(path.join(root, name));
  return Math.max(stats.mtimeMs, ...entries.map((entry) => modified(path.join(name, entry))));
}

/**
 * What to say of a program that could not be started because it is not there.
 *
 * @param {unknown} error
 */
function missingProgram(error) {
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return undefined;
  const [call, program] = String(error.syscall).split(' ', 2);
  if (error.code !== 'ENOENT' || !call?.startsWith('spawn')) return undefined;
  return `${program} is needed and was not found. CONTRIBUTING.md tells what has to be there.`;
}
